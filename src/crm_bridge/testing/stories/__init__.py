"""Stories: a Hypothesis state machine that plays customers, agents, webhooks and crashes against the whole bridge and
two emulated CRMs, and checks DESIGN's invariants after every step. Run by `python -m crm_bridge.testing.stories`."""

from crm_bridge.testing.stories.machine import StoryBroken
from crm_bridge.testing.stories.run import crm_maker, tell_stories
from crm_bridge.testing.stories.stage import open_store

__all__ = ["StoryBroken", "crm_maker", "open_store", "tell_stories"]
