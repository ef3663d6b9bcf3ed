"""Stories in several processes at once; each has a database or installations of its own and takes chunk after chunk.

It owns the processes, what is told next and what they answer. It prints nothing and knows no law.
"""

from __future__ import annotations

import gc
import itertools
import logging
import multiprocessing
import queue
import signal
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from typing import Any, Protocol

import structlog

from crm_bridge.testing.stories.database import temporary_folder, temporary_store
from crm_bridge.testing.stories.full import FullStoryBroken, tell_full_stories
from crm_bridge.testing.stories.machine import StoryBroken
from crm_bridge.testing.stories.run import crm_maker, tell_stories

CHUNK, FULL_CHUNK = 25, 12
AHEAD = 2
"""Chunks a process has waiting, so that it never waits for the next."""

END_S = 60.0
ANSWER_S = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Chunk:
    """Story n of it has the seed `seed + n`; full stories are told all at once, from one seed."""

    stories: int
    seed: int
    adapter: str
    profile: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """So many more stories held."""

    full: bool
    stories: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Failed:
    """A story broke a law, or a process could not go on. `again`: the arguments that tell it once more."""

    words: str
    again: str


Answer = Told | Failed


class Mail(Protocol):
    """What this module needs of a queue between processes."""

    def get(self, *, timeout: float | None = None) -> Any: ...
    def put(self, item: Any) -> None: ...


def in_process_chunks(stories: int | None, *, seed: int, adapter: str, profiles: list[str | None]) -> Iterator[Chunk]:
    """The profiles in turn; without a number it never ends."""
    size = CHUNK if stories is None else max(1, min(CHUNK, -(-stories // len(profiles))))
    told = 0
    for profile in itertools.cycle(profiles):
        if stories is not None and told >= stories:
            return
        count = size if stories is None else min(size, stories - told)
        yield Chunk(stories=count, seed=seed + told, adapter=adapter, profile=profile)
        told += count


def full_chunks(stories: int | None, *, seed: int, adapter: str) -> Iterator[Chunk]:
    """A dozen at a time; without a number it never ends."""
    for number in itertools.count():
        left = FULL_CHUNK if stories is None else min(FULL_CHUNK, stories - number * FULL_CHUNK)
        if left <= 0:
            return
        yield Chunk(stories=left, seed=seed + number, adapter=adapter)


def tell(chunks: Iterator[Chunk], full: Iterator[Chunk], *, processes: int) -> Generator[Answer | None, None, None]:
    """Tell them all, `processes` of each kind at once; what happened, as it happens, and None when nothing did.

    Ends after the first failure. Whoever stops listening ends the processes too.
    """
    context = multiprocessing.get_context("spawn")
    answers: Mail = context.Queue()
    with ExitStack() as stack:
        crews = [
            stack.enter_context(_crew(_short, chunks, answers, processes)),
            stack.enter_context(_crew(_full, full, answers, processes)),
        ]
        while any(process.is_alive() for crew in crews for process in crew.processes):
            for crew in crews:
                crew.feed()
            try:
                answer = answers.get(timeout=ANSWER_S)
            except queue.Empty:
                yield None
                continue
            yield answer
            if isinstance(answer, Failed):
                return
        with suppress(queue.Empty):
            while True:
                yield answers.get(timeout=0.1)


@dataclass(kw_only=True)
class _Crew:
    """The processes of one kind and what they are told to do."""

    source: Iterator[Chunk]
    tasks: Any
    processes: list[BaseProcess]
    ended: bool = False

    def feed(self) -> None:
        """Keep a few chunks waiting; in the end one None for each process."""
        while not self.ended and self.tasks.qsize() < AHEAD * len(self.processes):
            chunk = next(self.source, None)
            self.ended = chunk is None
            for _ in range(len(self.processes) if chunk is None else 1):
                self.tasks.put(chunk)


@contextmanager
def _crew(
    work: Callable[[Mail, Mail], Failed | None], source: Iterator[Chunk], answers: Mail, processes: int
) -> Iterator[_Crew]:
    """Started; ended whatever happens, with all that they started."""
    first = list(itertools.islice(source, processes))
    context = multiprocessing.get_context("spawn")
    tasks = context.Queue()
    made = [context.Process(target=_person, args=(work, tasks, answers)) for _ in first]
    crew = _Crew(source=itertools.chain(first, source), tasks=tasks, processes=[*made])
    try:
        for process in made:
            process.start()
        yield crew
    finally:
        for process in made:
            process.terminate()  # which they take as an interruption, and clean up
        for process in made:
            process.join(END_S)


# --- in the processes -------------------------------------------------------------------------------------------------


def _person(work: Callable[[Mail, Mail], Failed | None], tasks: Mail, answers: Mail) -> None:
    """One process. A failure is told when all that was started for it is gone again."""
    _interrupted_once()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    logging.disable(logging.CRITICAL)
    with suppress(KeyboardInterrupt):
        try:
            failed = work(tasks, answers)
        except Exception as error:  # noqa: BLE001 - the process edge: whoever waits for it is told
            failed = Failed(words=f"A process of the stories failed: {type(error).__name__}: {error}", again="")
        if failed is not None:
            answers.put(failed)


def _interrupted_once() -> None:
    """The first signal interrupts; what is cleaned up then takes its time, and whoever asked waits for it."""
    came: list[int] = []

    def interrupt(signum: int, _frame: object) -> None:
        came.append(signum)
        if len(came) == 1:
            raise KeyboardInterrupt

    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, interrupt)


def _short(tasks: Mail, answers: Mail) -> Failed | None:
    with collecting_less(), temporary_store() as store:
        while chunk := tasks.get():
            maker = crm_maker(chunk.adapter, **({} if chunk.profile is None else {"profile": chunk.profile}))
            told = lambda _play: answers.put(Told(full=False))  # noqa: E731 - its only word
            try:
                tell_stories(store, maker, stories=chunk.stories, seed=chunk.seed, told=told)
            except StoryBroken as broken:
                named = f" --profile {chunk.profile}" if chunk.profile else ""
                again = f"--stories 1 --full 0 --seed {broken.seed} --adapter {chunk.adapter}{named}"
                return Failed(words=str(broken), again=again)
    return None


def _full(tasks: Mail, answers: Mail) -> Failed | None:
    """An installation for each chunk: one whose programs were killed often waits longer and longer to start them."""
    while chunk := tasks.get():
        try:
            with temporary_folder() as root:
                tell_full_stories(root, crm=chunk.adapter, stories=chunk.stories, seed=chunk.seed)
        except FullStoryBroken as broken:
            again = f"--stories 0 --full {chunk.stories} --seed {chunk.seed} --adapter {chunk.adapter}"
            return Failed(words=str(broken), again=again)
        answers.put(Told(full=True, stories=chunk.stories))
    return None


@contextmanager
def collecting_less() -> Iterator[None]:
    """Look for garbage more rarely: with a whole bridge in memory, looking is a tenth of a story's time."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(100_000, 50, 50)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
