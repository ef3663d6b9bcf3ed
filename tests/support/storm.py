"""Customers, a CRM that repeats itself and agents, all at once, while something else kills the processes they talk to.

It owns who does what and remembers what was promised: the cases that were made, the events that were acknowledged, the
drafts whose acceptance was taken. Whoever meets a dead process tries again, as people and CRMs do.
"""

from __future__ import annotations

import queue
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import requests
from desk_client import Case, event, replies, signed_webhook
from installation import until
from process_table import is_alive
from processes import Demo

T = TypeVar("T")

QUESTIONS = (
    "I forgot my password, how do I reset it?",
    "Where is my delivery? It has not arrived.",
    "I need a copy of my invoice for September.",
    "When will I get my refund?",
)
FEEDERS, AGENTS = 2, 3
AGAIN_S = 0.1


@dataclass(kw_only=True)
class Storm:
    """`cases` are made only as far as `allow` says, so that there is always something going on at the next kill."""

    demo: Demo
    cases: int
    chance: random.Random
    patience_s: float = 100.0
    made: list[str] = field(default_factory=list)
    accepted: dict[str, str] = field(default_factory=dict)
    acknowledged: list[str] = field(default_factory=list)
    surprises: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._allowed = threading.Semaphore(0)
        self._to_decide: queue.Queue[str] = queue.Queue()
        self._to_tell: queue.Queue[str] = queue.Queue()
        self._given_up = threading.Event()
        shares = [self.cases // FEEDERS + (number < self.cases % FEEDERS) for number in range(FEEDERS)]
        self._feeders = [self._thread(self._feed, share, self.chance.random()) for share in shares]
        self._agents = [self._thread(self._decide) for _ in range(AGENTS)]
        self._teller = self._thread(self._tell)

    def start(self) -> None:
        for thread in (*self._feeders, *self._agents, self._teller):
            thread.start()

    def allow(self, cases: int) -> None:
        """So many more cases may come in."""
        self._allowed.release(cases)

    def finish(self) -> None:
        """Let the rest in, and wait until everything was told, every draft accepted, and nothing is due."""
        self.allow(self.cases)
        ends = time.monotonic() + self.patience_s
        for thread in (*self._feeders, *self._agents, self._teller):
            thread.join(max(0.0, ends - time.monotonic()))
        waiting = sorted(set(self.made) - set(self.accepted))
        self.stop()
        assert not waiting, "\n".join(["never got as far as an accepted draft:", *map(self.story, waiting)])
        self.demo.wait_until_idle(within_s=self.patience_s)

    def stop(self) -> None:
        """Nobody tries any longer."""
        self._given_up.set()
        self._allowed.release(self.cases)
        for thread in (*self._feeders, *self._agents, self._teller):
            thread.join(30)

    # --- what was promised ------------------------------------------------------------------------------------

    def events_made(self) -> int:
        return len(self.acknowledged) + int(self.demo.crm_sql("select count(*) from outbox")[0][0])

    def unhandled(self) -> list[str]:
        """Acknowledged events, ours and those the CRM was told 2xx for, that are not stored as done."""
        told = self.demo.crm_sql("select json_extract(event, '$.id') from outbox where state = 'delivered'")
        promised = {*self.acknowledged, *(str(row[0]) for row in told)}
        done = {str(row[0]) for row in self.demo.place.sql("select dedupe_key from events where outcome = 'done'")}
        return sorted(promised - done)

    def wrong_threads(self) -> dict[str, list[str]]:
        """Cases whose customer did not get exactly the one reply that was accepted."""
        found = {case: replies(self._again(self.demo.desk.case, case)) for case in self.accepted}
        return {case: got for case, got in found.items() if got != [self.accepted[case]]}

    def story(self, case: str) -> str:
        """What stands where about a case, without its texts: for the report of a failure."""
        found = self.demo.desk.case(case)
        draft = {**(found["draft"] or {}), **dict.fromkeys(("text", "sources", "addressing"), "…")}
        ask = self.demo.place.sql
        lines = [f"{case}: {found['state']}", f"  at the desk: {draft}"]
        lines += [f"  message: {message['id']} {message['author']}" for message in found["messages"]]
        lines += [f"  item: {row}" for row in ask("select to_jsonb(w) from work_items w where ref_id = %s", case)]
        rows = ask("select to_jsonb(d) from drafts d join cases c on c.id = d.case_id where c.ref = %s", case)
        lines += [f"  draft: { {name: value for name, value in row[0].items() if '_enc' not in name} }" for row in rows]
        query = "select kind, outcome, reason, count(*) from events e join work_items w on w.id = e.item_id"
        lines += [f"  events: {row}" for row in ask(f"{query} where w.ref_id = %s group by 1, 2, 3", case)]
        return "\n".join(lines)

    def __str__(self) -> str:
        return (
            f"{len(self.made)} cases, {self.events_made()} events, {len(self.accepted)} accepted,"
            f" surprises: {dict(self.surprises) or 'none'}"
        )

    # --- who does it ------------------------------------------------------------------------------------------

    def _feed(self, share: int, seed: float) -> None:
        """Customers: new cases, some of them with a second message right after the first."""
        chance = random.Random(seed)
        for _ in range(share):
            self._allowed.acquire()
            if self._given_up.is_set():
                return
            case = self._again(self.demo.desk.new_case, chance.choice(QUESTIONS))
            if chance.random() < 0.3:
                self._again(self.demo.desk.write, case, chance.choice(QUESTIONS))
            self.made.append(case)
            self._to_decide.put(case)
            self._to_tell.put(case)

    def _tell(self) -> None:
        """A CRM that repeats itself: one more event of each case, the same delivery until it is acknowledged."""
        for _ in range(self.cases):
            case = self._next(self._to_tell)
            if case is None:
                return
            told = event(case)
            body, headers = signed_webhook(self.demo.secret, [told])
            self._again(self._deliver, body, headers)
            self.acknowledged.append(told["id"])

    def _deliver(self, body: bytes, headers: dict[str, str]) -> None:
        requests.post(f"{self.demo.url}/webhooks/demo", data=body, headers=headers, timeout=15).raise_for_status()

    def _decide(self) -> None:
        """Agents: accept whatever is ready, until every case has been."""
        while len(self.accepted) < self.cases:
            case = self._next(self._to_decide)
            if case is None:
                return
            if not self._accept(case, self._again(self.demo.desk.case, case)):
                self._to_decide.put(case)
                time.sleep(AGAIN_S)

    def _accept(self, case: str, found: Case) -> bool:
        """Whether this case is decided now."""
        draft = found["draft"]
        if draft is None:
            return False
        if found["state"]["kind"] in ("sending", "sent"):
            self.surprises["decided, although the agent was never told"] += 1
            self.accepted[case] = draft["text"]
            return True
        if draft["status"] != "written":
            return False
        try:
            answer = self.demo.desk.decide(case, "accept", revision=draft["revision"])
        except requests.RequestException:
            return False
        if answer.status_code == 200:
            self.accepted[case] = draft["text"]
            return True
        if answer.status_code not in (409, 502, 503):
            self.surprises[f"accept: {answer.status_code}"] += 1
        return False

    def _next(self, waiting: queue.Queue[str]) -> str | None:
        while not self._given_up.is_set() and len(self.accepted) < self.cases:
            try:
                return waiting.get(timeout=0.2)
            except queue.Empty:
                continue
        return None

    def _again(self, act: Callable[..., T], *arguments: object) -> T:
        """Do it, however often it takes."""
        ends = time.monotonic() + self.patience_s
        while True:
            try:
                return act(*arguments)
            except (requests.RequestException, AssertionError) as error:
                if self._given_up.is_set() or time.monotonic() > ends:
                    raise
                if isinstance(error, AssertionError):
                    self.surprises[f"{getattr(act, '__name__', act)}: {type(error).__name__}"] += 1
                time.sleep(AGAIN_S)

    def _thread(self, work: Callable[..., None], *arguments: object) -> threading.Thread:
        return threading.Thread(target=work, args=arguments, daemon=True)


def kill_and_come_back(demo: Demo, name: str) -> None:
    """SIGKILL one program, and wait until its supervisor has another one at work in its place."""
    started = demo.workers_started()
    killed = demo.kill(name)
    until(lambda: demo.programs().get(name) not in (None, killed), f"{name} is started again")
    if name == "worker":
        until(lambda: demo.workers_started() > started, "the worker works again")
    demo.wait_until_serving()


def kill_the_supervisor_and_start_again(demo: Demo) -> None:
    """SIGKILL the supervisor: its children go with it, the database stays and is adopted by the next one."""
    children = [pid for name, pid in demo.programs().items() if name != "database"]
    assert demo.process is not None
    demo.process.kill()
    demo.process.wait()
    until(lambda: not any(is_alive(pid) for pid in children), "the children are gone with their supervisor")
    demo.start()
