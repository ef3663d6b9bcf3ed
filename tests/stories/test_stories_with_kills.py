"""Stories with real processes that are killed: web, worker and CRM."""

from __future__ import annotations

import os

from crm_bridge.testing.stories.database import temporary_folder
from crm_bridge.testing.stories.full import tell_full_stories

FULL_STORIES = int(os.environ.get("FULL_STORIES", "12"))
SEED = int(os.environ.get("STORIES_SEED", "1"))


def test_no_story_with_real_processes_that_are_killed_breaks_what_must_hold() -> None:
    with temporary_folder() as root:
        tell_full_stories(root, crm="mock", stories=FULL_STORIES, seed=SEED)
