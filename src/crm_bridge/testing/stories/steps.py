"""What can happen next in a story, how often, and what it needs to be chosen: one table.

Rules of a state machine would be tried equally often, and most stories would end before anything was sent; so the
weights are here. A step that cannot happen now says nothing and changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from crm_bridge.kit.emulation import FaultRule
from crm_bridge.testing.stories import people, post, worker
from crm_bridge.testing.stories.boundaries import PLACES, Place
from crm_bridge.testing.stories.play import AGENTS, Play, Ticket


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """Everything a step may have to choose. `number` chooses among whatever there is."""

    number: int
    agent: str
    flag: bool
    other: bool


Step = Callable[[Play, Choice], None]


def _about(act: Callable[[Play, Ticket, Choice], None]) -> Step:
    """A step about one of the cases."""

    def step(play: Play, choice: Choice) -> None:
        ticket = play.ticket(choice.number)
        if ticket is not None:
            act(play, ticket, choice)

    return step


def _decides(kind: str) -> Step:
    return _about(
        lambda play, ticket, choice: people.decide_on(
            play, ticket, choice.agent, kind, from_memory=choice.flag, newest=choice.other
        )
    )


def _looks(play: Play, ticket: Ticket, choice: Choice) -> None:
    if people.look(play, ticket, choice.agent) is not None:
        play.tell(f"{choice.agent} looks at {ticket}.")


def _passes(seconds: int) -> Step:
    def step(play: Play, _choice: Choice) -> None:
        play.tell(f"{seconds} seconds pass.")
        play.stage.pass_time(timedelta(seconds=seconds))

    return step


def _trouble(sentence: str, fault: FaultRule, *operations: str) -> Step:
    def step(play: Play, choice: Choice) -> None:
        ticket = play.ticket(choice.number)
        where = ticket.company if ticket is not None else play.stage.companies[play.stage.names[choice.flag]]
        operation = operations[choice.number % len(operations)]
        play.tell(f"At {where.name} {sentence.format('call' if operation == '*' else operation)}.")
        where.crm.faults.add(replace(fault, operation=operation))

    return step


def _mood(mood: str) -> Step:
    def step(play: Play, _choice: Choice) -> None:
        play.tell(f"The next time it is asked the assistant {mood}.")
        play.stage.assistant.mood = mood

    return step


_LOST = FaultRule(drop_answer_after_effect=True)

_TABLE: tuple[tuple[str, int, Step], ...] = (
    # customers
    ("another case", 2, lambda play, choice: people.open_case(play, int(choice.flag))),
    ("customer writes", 8, _about(lambda play, ticket, _: people.customer_writes(play, ticket))),
    ("auto-reply", 1, _about(lambda play, ticket, _: people.customer_writes(play, ticket, automatic=True))),
    # agents, with us
    ("accept", 12, _decides("accept")),
    ("edit", 7, _decides("edit")),
    ("reject", 2, _decides("reject")),
    ("respond", 3, _decides("respond")),
    ("look", 2, _about(_looks)),
    ("press again", 2, _about(lambda play, ticket, choice: people.press_again(play, ticket, choice.agent))),
    ("undo", 6, _about(lambda play, ticket, choice: people.take_back(play, ticket, choice.agent))),
    (
        "settle",
        4,
        _about(lambda play, ticket, choice: people.settle_reply(play, ticket, choice.agent, went_out=choice.flag)),
    ),
    # agents, past us
    (
        "answer natively",
        3,
        _about(
            lambda play, ticket, choice: people.answer_natively(play, ticket, choice.agent, with_our_text=choice.flag)
        ),
    ),
    (
        "send mail draft",
        4,
        _about(lambda play, ticket, choice: people.send_natively(play, ticket, choice.agent, edited=choice.flag)),
    ),
    ("note", 1, _about(lambda play, ticket, choice: people.note(play, ticket, choice.agent))),
    ("type into draft", 3, _about(lambda play, ticket, choice: people.edit_in_place(play, ticket, choice.agent))),
    ("remove draft", 1, _about(lambda play, ticket, _: people.remove_draft(play, ticket))),
    ("close", 1, _about(lambda play, ticket, _: people.close(play, ticket))),
    ("reopen", 1, _about(lambda play, ticket, _: people.reopen(play, ticket))),
    ("merge", 2, _about(lambda play, ticket, _: people.merge(play, ticket))),
    ("delete", 1, _about(lambda play, ticket, _: people.delete(play, ticket))),
    ("stop", 1, lambda play, choice: people.stop(play, int(choice.flag))),
    ("resume", 1, lambda play, _: people.resume(play)),
    # webhooks
    ("one webhook", 2, lambda play, choice: post.deliver_one(play, choice.number, 2 if choice.flag else 1)),
    ("webhook again", 2, lambda play, choice: post.deliver_again(play, choice.number)),
    ("webhook lost", 2, lambda play, choice: post.lose(play, choice.number)),
    (
        "webhook forged",
        1,
        lambda play, choice: post.forge(play, choice.number, post.FORGERIES[choice.number % len(post.FORGERIES)]),
    ),
    # machinery
    ("a second", 1, _passes(1)),
    ("half a minute", 3, _passes(31)),
    ("a minute", 1, _passes(70)),
    ("poll", 1, lambda play, _: worker.polls(play)),
    ("work", 4, lambda play, _: worker.works(play)),
    (
        "lost answer",
        5,
        _trouble("the answer to the next {} is lost", _LOST, "send_reply", "send_reply", "*", "write_draft"),
    ),
    ("503", 1, _trouble("the next {} is answered with 503", FaultRule(status=503, times=3), "send_reply", "*")),
    ("429", 1, _trouble("the next {} is answered with 429", FaultRule(status=429, retry_after=2), "send_reply", "*")),
    ("refused", 2, _trouble("the next {} is answered with 403", FaultRule(status=403), "send_reply")),
    ("abstains", 1, _mood("abstains")),
    ("assistant busy", 1, _mood("is in trouble")),
)

STEPS: Mapping[str, Step] = {name: step for name, _, step in _TABLE}
WEIGHTED = tuple(name for name, weight, _ in _TABLE for _ in range(weight))
CHOICES = {"agent": AGENTS, "flag": (False, True), "other": (False, True)}

# --- what the machinery does right after ------------------------------------------------------------------------------

NOTHING, ARRIVE, WORK, WAIT_AND_WORK, DIE, HAPPEN = (
    *("nothing", "the webhooks arrive", "a worker works"),
    *("the undo window ends and a worker works", "a worker dies", "something happens at work"),
)
THEN = (*[NOTHING] * 5, ARRIVE, *[WORK] * 4, *[WAIT_AND_WORK] * 2, *[DIE] * 4, *[HAPPEN] * 4)
LIKELY = tuple(
    place
    for place in PLACES
    for _ in range(3 if place.name in {"send_reply", "write_draft", "attempt.", "end.", "announce.", "read."} else 1)
)
"""Places, those around the effects more often."""

MOST_PLACES = 40
"""About as many as a worker comes to while it does all that is due for one case."""


def go_on(play: Play, then: str, place: Place | int, happens: str) -> None:
    """A step is often followed by the webhooks it caused and by a worker that hears of them."""
    if then == NOTHING:
        return
    post.deliver_all(play)
    if then == WAIT_AND_WORK:
        _passes(21)(play, Choice(number=0, agent=AGENTS[0], flag=False, other=False))
    if then in {WORK, WAIT_AND_WORK}:
        worker.works(play)
    elif then in {DIE, HAPPEN}:
        worker.works(play, place=place, happens=worker.DIES if then == DIE else happens)
