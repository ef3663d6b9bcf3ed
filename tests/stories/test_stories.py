"""Stories against every kind of CRM the mock can play: what must hold holds after every step, and at the end."""

from __future__ import annotations

import os

import pytest

from crm_bridge.registry import declared_capabilities
from crm_bridge.store.database import Store
from crm_bridge.testing.stories import crm_maker, tell_stories
from crm_bridge.testing.stories.database import temporary_folder
from crm_bridge.testing.stories.full import tell_full_stories

pytestmark = pytest.mark.kit

STORIES = int(os.environ.get("STORIES", "200"))
FULL_STORIES = int(os.environ.get("FULL_STORIES", "12"))
SEED = int(os.environ.get("STORIES_SEED", "1"))
PROFILES = sorted(declared_capabilities("mock"))


@pytest.mark.parametrize("profile", PROFILES)
def test_no_story_breaks_what_must_hold(stories_store: Store, profile: str) -> None:
    stories = max(1, STORIES // len(PROFILES))
    seed = SEED + stories * PROFILES.index(profile)
    tell_stories(stories_store, crm_maker("mock", profile=profile), stories=stories, seed=seed)


def test_no_story_with_real_processes_that_are_killed_breaks_what_must_hold() -> None:
    with temporary_folder() as root:
        tell_full_stories(root, crm="mock", stories=FULL_STORIES, seed=SEED)
