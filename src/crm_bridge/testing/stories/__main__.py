"""`python -m crm_bridge.testing.stories`: tell stories on all cores, and print the shortest that breaks and its seed.

With a number of stories it ends; without one it goes on until somebody interrupts it, or a story breaks.
"""

from __future__ import annotations

import argparse
import os
import secrets
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field

from crm_bridge.registry import declared_capabilities
from crm_bridge.testing.stories.crew import Answer, Failed, full_chunks, in_process_chunks, tell

TERMINAL_S, LOG_S = 0.5, 15.0


@dataclass(kw_only=True)
class Progress:
    """Says how far it is, on one line of a terminal or now and then in a log. `wanted`: None without a bound."""

    wanted: tuple[int | None, int | None]
    done: list[int] = field(default_factory=lambda: [0, 0])
    began: float = field(default_factory=time.monotonic)
    said: float = 0.0

    def more(self, *, full: bool, stories: int) -> None:
        self.done[full] += stories

    def say(self, *, last: bool) -> None:
        now, terminal = time.monotonic(), sys.stdout.isatty()
        if not last and now - self.said < (TERMINAL_S if terminal else LOG_S):
            return
        self.said = now
        print(self._line(now - self.began), end="\r" if terminal and not last else "\n", flush=True)

    def _line(self, seconds: float) -> str:
        parts, left = [], 0.0
        for done, wanted, what in zip(self.done, self.wanted, ("stories", "full stories"), strict=True):
            if wanted == 0:
                continue
            parts.append(f"{done} {what}" if wanted is None else f"{done} of {wanted} {what}")
            if wanted is not None:
                left = max(left, (wanted - done) * seconds / done if done else 0.0)
        parts.append(f"{sum(self.done) / max(seconds, 0.001):.1f} a second")
        if None not in self.wanted:
            parts.append(f"{left:.0f} s left" if all(self.done[n] or not self.wanted[n] for n in (0, 1)) else "")
        return f"{seconds:5.0f} s: {', '.join(part for part in parts if part)}    "


def main() -> int:
    wanted = _arguments()
    amount = " and ".join(
        f"{'ever more' if number is None else number} {what}"
        for number, what in ((wanted.stories, "in one process"), (wanted.full, "with real processes that are killed"))
        if number != 0
    )
    print(f"seed {wanted.seed}: stories, {amount}, told by {wanted.processes} at once", flush=True)
    progress = Progress(wanted=(wanted.stories, wanted.full))
    try:
        with closing(_tell(wanted)) as answers:
            failed = _listen(answers, progress)
    except KeyboardInterrupt:
        failed = None
    progress.say(last=True)
    if failed is None:
        return 0
    print(f"\n{failed.words}", flush=True)
    if failed.again:
        print(f"\nAgain: {failed.again}", flush=True)
    return 1


def _tell(wanted: argparse.Namespace) -> Generator[Answer | None, None, None]:
    declared = sorted(declared_capabilities(wanted.adapter))
    profiles: list[str | None] = [wanted.profile] if wanted.profile else [*declared] or [None]
    return tell(
        in_process_chunks(wanted.stories, seed=wanted.seed, adapter=wanted.adapter, profiles=profiles),
        full_chunks(wanted.full, seed=wanted.seed, adapter=wanted.adapter),
        processes=wanted.processes,
    )


def _listen(answers: Iterator[Answer | None], progress: Progress) -> Failed | None:
    for answer in answers:
        if isinstance(answer, Failed):
            return answer
        if answer is not None:
            progress.more(full=answer.full, stories=answer.stories)
        progress.say(last=False)
    return None


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m crm_bridge.testing.stories", description=__doc__)
    parser.add_argument("--stories", type=int, help="how many in one process each; without --full, too, ever more")
    parser.add_argument("--full", type=int, help="how many with real processes that are killed")
    parser.add_argument("--adapter", default="mock", help="the adapter whose emulated CRM is played")
    parser.add_argument("--profile", help="one variant of it; else all that it declares, in turn")
    parser.add_argument("--seed", type=int, default=None, help="tell the same stories again")
    parser.add_argument("--processes", type=int, default=_cores(), help="how many are told at once, of either kind")
    found = parser.parse_args()
    if found.stories is not None or found.full is not None:
        found.stories, found.full = found.stories or 0, found.full or 0
    if found.seed is None:
        found.seed = secrets.randbelow(2**31)
    return found


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


if __name__ == "__main__":
    sys.exit(main())
