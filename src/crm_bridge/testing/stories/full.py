"""Full stories: real web, worker and CRM processes under a supervisor, killed while a dozen stories go on at once.

What is known comes from the desk's answers and the case pages alone, as people would know it. Nothing is shrunk: the
seed tells the same people and kills again, not the same moments.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from crm_bridge.contract import NoDraftReason, StateKind
from crm_bridge.testing.stories.installation import PROGRAMS, Installation

QUESTIONS = (
    "I forgot my password, how do I reset it?",
    "Where is my delivery? It has not arrived.",
    "I need a copy of my invoice for September.",
    "When will I get my refund?",
)
STEPS_PER_STORY = 5
KILL_EVERY = 9
QUIET_WITHIN_S = 150.0
AGAIN_S = 0.15
PATIENCE_S = 60.0

_KINDS = frozenset(kind.value for kind in StateKind)
_REASONS = frozenset(reason.value for reason in NoDraftReason)
_AT_REST = _KINDS - {StateKind.DRAFTING, StateKind.SENDING, StateKind.SUPERSEDED}
"""What may stand at the end, when everything is told and done."""


class FullStoryBroken(AssertionError):
    """A law did not hold in a story with real processes; its steps in words."""

    def __init__(self, law: str, story: list[str], seed: int) -> None:
        steps = "\n".join(f"  {number:2}. {line}" for number, line in enumerate(story, 1))
        super().__init__(f"{law} (full stories, seed {seed})\n\nThe story:\n{steps}\n  =>  {law}")


@dataclass(kw_only=True)
class FullStory:
    """One case and what people did. `approvals`: decisions the desk said yes to, each as what was said."""

    number: int
    case: str = ""
    words: list[str] = field(default_factory=list)
    approvals: set[tuple[str, ...]] = field(default_factory=set)
    texts: Counter[str] = field(default_factory=Counter)
    unsure: set[tuple[str, ...]] = field(default_factory=set)
    """What was said and got no answer: it may count or not."""
    native: int = 0
    closed: bool = False
    settled: bool = False


@dataclass(kw_only=True)
class Telling:
    """A dozen stories at once on one installation."""

    place: Installation
    seed: int
    stories: list[FullStory]
    chance: random.Random
    numbers: int = 0

    def require(self, holds: object, law: str, story: FullStory) -> None:
        if not holds:
            raise FullStoryBroken(law, story.words, self.seed)

    def everywhere(self, sentence: str) -> None:
        for story in self.stories:
            story.words.append(sentence)

    # --- steps ----------------------------------------------------------------------------------------------------

    def tell(self) -> None:
        for story in self.stories:
            self._open(story)
        steps = len(self.stories) * STEPS_PER_STORY
        for step in range(steps):
            if step % KILL_EVERY == KILL_EVERY - 1:
                name = self.chance.choice(PROGRAMS)
                self.everywhere(f"{name} is killed.")
                self.place.kill(name)
            self._step(self.chance.choice(self.stories))
        self._finish()

    def _open(self, story: FullStory) -> None:
        customer = {"name": "Carla Customer", "email": f"carla{self.seed}-{story.number}@example.org"}
        question = self.chance.choice(QUESTIONS)
        payload = {"subject": f"Matter {self.seed} {story.number}", "body": question, "customer": customer}
        story.case = str(self._surely("POST", "/cases", payload).json()["id"])
        story.words.append(f"Carla opens case {story.number}.")

    def _step(self, story: FullStory) -> None:
        choose = self.chance.choice
        act = choose((self._decide, self._decide, self._decide, self._write, self._answer, self._close, self._webhook))
        act(story)
        time.sleep(self.chance.uniform(0.0, 0.3))  # so that kills fall on different moments of the work

    def _write(self, story: FullStory) -> None:
        story.words.append(f"Carla writes more on case {story.number}.")
        self._message(story, {"author": "customer", "body": self.chance.choice(QUESTIONS), "public": True})
        story.closed = False

    def _answer(self, story: FullStory) -> None:
        story.words.append(f"Ben answers case {story.number} past the bridge.")
        self.numbers += 1
        self._message(story, {"author": "agent", "body": f"I called you ({self.numbers}).", "public": True})
        story.native += 1

    def _message(self, story: FullStory, payload: dict[str, Any]) -> None:
        self._surely("POST", f"/cases/{story.case}/messages", payload)

    def _close(self, story: FullStory) -> None:
        path = "reopen" if story.closed else "close"
        story.words.append(f"An agent says {path!r} to case {story.number}.")
        self._surely("POST", f"/cases/{story.case}/{path}", {})
        story.closed = not story.closed

    def _webhook(self, story: FullStory) -> None:
        """The CRM repeats itself, or a stranger pretends to be the CRM."""
        forged = self.chance.random() < 0.5
        status = self.place.tell(story.case, forged=forged)
        what = "forged" if forged else "of nothing new"
        story.words.append(f"A webhook {what} comes about case {story.number}: {status or 'no answer'}.")
        self.require(not forged or status is None or status >= 400, "a forged webhook was taken", story)

    def _decide(self, story: FullStory) -> None:
        """On whatever the desk shows; an answer that never came may have been a yes."""
        found = self._look(story)
        draft = found.get("draft")
        if found["state"]["kind"] == "unconfirmed":
            self._settle(story)
            return
        if not draft or draft["status"] != "written":
            return
        kind = self.chance.choice(("accept", "accept", "edit", "reject", "respond"))
        payload: dict[str, Any] = {"revision": draft["revision"], "reason": "other"}
        if kind == "edit":
            self.numbers += 1
            payload["text"] = f"I have looked at it myself ({self.numbers})."
        said = (kind, str(draft["revision"]), str(payload.get("text", "")))
        status = self._try("POST", f"/cases/{story.case}/draft/{kind}", payload)
        answer = "no answer" if status is None else str(status)
        story.words.append(f"Ana says {kind!r} to revision {draft['revision']} of case {story.number}: {answer}.")
        self._count(story, kind, said, status)

    def _settle(self, story: FullStory) -> None:
        status = self._try("POST", f"/cases/{story.case}/draft/resolve", {"sent": True})
        story.words.append(f"Ana says that the unconfirmed reply of case {story.number} went out: {status}.")
        story.settled = True

    def _count(self, story: FullStory, kind: str, said: tuple[str, ...], status: int | None) -> None:
        if kind not in ("accept", "edit"):
            return
        if status is None or status >= 500:
            story.unsure.add(said)
        elif status < 300:
            story.approvals.add(said)
        if said[2]:
            story.texts[said[2]] = 1

    # --- the end --------------------------------------------------------------------------------------------------

    def _finish(self) -> None:
        self.everywhere("Everything comes to rest.")
        balance = self.place.until_quiet(QUIET_WITHIN_S)
        first = self.stories[0]
        self.require(balance.get("balances"), f"events do not add up: {balance}", first)
        for found in balance.get("connections", ()):
            left = {name: found.get(name) for name in ("pending", "stranded", "dead")}
            self.require(not any(left.values()), f"events are left: {left}", first)
        for story in self.stories:
            self._check(story)

    def _check(self, story: FullStory) -> None:
        found = self._at_rest(story)
        state, messages = found["state"], found["messages"]
        replies = [message["body"] for message in messages if message.get("by_assistant") and message["public"]]
        allowed = len(story.approvals | story.unsure)
        self.require(len(replies) <= allowed, f"{len(replies)} replies went out, {allowed} were approved", story)
        for text, times in Counter(replies).items():
            again = text in story.texts and times > 1
            self.require(not again, f"one approved edit went out {times} times", story)
        explained = state["kind"] != "no_draft" or state["reason"] in _REASONS
        self.require(explained, f"no draft, for a reason in no list: {state['reason']!r}", story)
        self.require(_rests(found), f"case {story.number} is {state['kind']!r} at the end", story)
        public = [message for message in messages if message["public"]]
        waiting = found["status"] == "open" and public and public[-1]["author"] == "customer"
        silent = waiting and state["kind"] in {"sent", "answered_otherwise"} and not story.settled
        self.require(not silent, f"the newest question of case {story.number} has neither draft nor reason", story)

    def _at_rest(self, story: FullStory) -> dict[str, Any]:
        """The case once its state stands still: the last state may still be on its way to the desk."""
        ends = time.monotonic() + PATIENCE_S
        while True:
            found = self._look(story)
            if _rests(found) or time.monotonic() > ends:
                return found
            time.sleep(AGAIN_S)

    # --- the desk -------------------------------------------------------------------------------------------------

    def _look(self, story: FullStory) -> dict[str, Any]:
        found: dict[str, Any] = self._surely("GET", f"/cases/{story.case}").json()
        return found

    def _try(self, method: str, path: str, payload: Any = None) -> int | None:
        try:
            return self.place.desk(method, path, payload).status_code
        except requests.RequestException:
            return None

    def _surely(self, method: str, path: str, payload: Any = None) -> requests.Response:
        """Until the desk, which may have been killed just now, answers."""
        ends = time.monotonic() + PATIENCE_S
        while True:
            try:
                answer = self.place.desk(method, path, payload)
            except requests.RequestException:
                if time.monotonic() > ends:
                    raise
            else:
                if answer.status_code < 500 or time.monotonic() > ends:
                    answer.raise_for_status()
                    return answer
            time.sleep(AGAIN_S)


def _rests(found: dict[str, Any]) -> bool:
    """Whether what the desk shows may stay. Where nobody waits any more an outdated draft stays outdated."""
    kind = found["state"]["kind"]
    return kind in _AT_REST or (kind == StateKind.SUPERSEDED and found["status"] != "open")


def tell_full_stories(root: Path, *, crm: str, stories: int, seed: int) -> None:
    """So many at once, in a folder of their own. Raises `FullStoryBroken`."""
    chance = random.Random(seed)
    with Installation.running(root, crm=crm) as place:
        made = [FullStory(number=number + 1) for number in range(stories)]
        Telling(place=place, seed=seed, stories=made, chance=chance).tell()
