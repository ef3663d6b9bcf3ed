"""Stories in one process, in a third of the kinds of CRM the mock can play: what must hold holds after every step."""

from __future__ import annotations

from collections.abc import Callable

PART = 2


def test_no_story_breaks_what_must_hold(profile: str, tell: Callable[[str], None]) -> None:
    tell(profile)
