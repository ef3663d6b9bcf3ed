"""`python -m crm_bridge.testing.stories`: tell stories until so many are told, and print the shortest that breaks."""

from __future__ import annotations

import argparse
import itertools
import logging
import secrets
import sys
import time
from dataclasses import dataclass

import structlog

from crm_bridge.registry import declared_capabilities
from crm_bridge.testing.stories.database import temporary_folder, temporary_store
from crm_bridge.testing.stories.full import FullStoryBroken, tell_full_stories
from crm_bridge.testing.stories.machine import StoryBroken
from crm_bridge.testing.stories.play import Play
from crm_bridge.testing.stories.run import crm_maker, tell_stories

CHUNK = 50
FULL_CHUNK = 12


@dataclass(kw_only=True)
class Progress:
    """Says how far it is, on one line of a terminal or now and then in a log."""

    wanted: int
    what: str
    done: int = 0
    said: float = 0.0

    def one_more(self, _play: Play | None = None) -> None:
        self.at(self.done + 1)

    def at(self, done: int) -> None:
        """So many are told; shorter versions of a broken one are not counted."""
        self.done = min(done, self.wanted)
        now = time.monotonic()
        if now - self.said > (0.5 if sys.stdout.isatty() else 15.0) or self.done == self.wanted:
            self.said = now
            end = "\r" if sys.stdout.isatty() and self.done < self.wanted else "\n"
            print(f"{self.done} of {self.wanted} {self.what}", end=end, flush=True)


def main() -> int:
    wanted = _arguments()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    logging.disable(logging.CRITICAL)
    print(
        f"seed {wanted.seed}: {wanted.stories} stories in this process, {wanted.full} with real processes", flush=True
    )
    try:
        if wanted.stories:
            _in_process(wanted)
        if wanted.full:
            _full(wanted)
    except (StoryBroken, FullStoryBroken) as broken:
        print(f"\n{broken}", flush=True)
        return 1
    return 0


def _in_process(wanted: argparse.Namespace) -> None:
    """The profiles in turn; story n has the seed `seed + n`, whichever profile it is told in."""
    declared = sorted(declared_capabilities(wanted.adapter))
    profiles: list[str | None] = [wanted.profile] if wanted.profile else [*declared] or [None]
    progress = Progress(wanted=wanted.stories, what="stories")
    chunk = min(CHUNK, -(-wanted.stories // len(profiles)))
    told = 0
    with temporary_store() as store:
        for profile in itertools.cycle(profiles):
            stories = min(chunk, wanted.stories - told)
            if stories <= 0:
                return
            maker = crm_maker(wanted.adapter, **({} if profile is None else {"profile": profile}))
            try:
                tell_stories(store, maker, stories=stories, seed=wanted.seed + told, told=progress.one_more)
            except StoryBroken as broken:
                named = f" --profile {profile}" if profile else ""
                print(f"\nAgain: --stories 1 --seed {broken.seed} --adapter {wanted.adapter}{named}")
                raise
            told += stories
            progress.at(told)


def _full(wanted: argparse.Namespace) -> None:
    progress = Progress(wanted=wanted.full, what="full stories")
    number = 0
    while progress.done < wanted.full:
        stories = min(FULL_CHUNK, wanted.full - progress.done)
        with temporary_folder() as root:
            tell_full_stories(root, crm=wanted.adapter, stories=stories, seed=wanted.seed + number)
        for _ in range(stories):
            progress.one_more()
        number += 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m crm_bridge.testing.stories", description=__doc__)
    parser.add_argument("--stories", type=int, default=200, help="how many in this process")
    parser.add_argument("--full", type=int, default=0, help="how many with real processes that are killed")
    parser.add_argument("--adapter", default="mock", help="the adapter whose emulated CRM is played")
    parser.add_argument("--profile", help="one variant of it; else all that it declares, in turn")
    parser.add_argument("--seed", type=int, default=None, help="tell the same stories again")
    found = parser.parse_args()
    if found.seed is None:
        found.seed = secrets.randbelow(2**31)
    return found


if __name__ == "__main__":
    sys.exit(main())
