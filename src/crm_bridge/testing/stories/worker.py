"""Workers of a story: they do what is due, die, sleep through their lease, or are overtaken by people."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from crm_bridge.testing.stories import people, post
from crm_bridge.testing.stories.boundaries import Death, Fate, Place
from crm_bridge.testing.stories.play import Play, Ticket

Meanwhile = Callable[[Play, Ticket], None]


def _customer_writes(play: Play, ticket: Ticket) -> None:
    people.customer_writes(play, ticket)
    post.deliver_all(play, quietly=True)


MEANWHILE: Mapping[str, Meanwhile] = {
    "the customer writes": _customer_writes,
    "the customer writes and no webhook comes": people.customer_writes,
    "an agent answers": lambda play, ticket: people.answer_natively(play, ticket, "Ben", with_our_text=False),
    "an agent sends our text": lambda play, ticket: people.answer_natively(play, ticket, "Ben", with_our_text=True),
    "an agent accepts": lambda play, ticket: people.decide_on(play, ticket, "Ana", "accept", from_memory=False),
    "an agent edits": lambda play, ticket: people.decide_on(
        play, ticket, "Ana", "edit", from_memory=False, newest=True
    ),
    "an agent asks again": lambda play, ticket: people.decide_on(play, ticket, "Ben", "respond", from_memory=False),
    "an agent undoes": lambda play, ticket: people.take_back(play, ticket, "Ana"),
    "a person types into the draft": lambda play, ticket: people.edit_in_place(play, ticket, "Ben"),
    "the draft is removed": people.remove_draft,
    "the case is closed": people.close,
    "the case is deleted": people.delete,
    "the connection is stopped": lambda play, ticket: people.stop(play, play.stage.names.index(ticket.connection)),
}
DIES, SLEEPS = "dies", "sleeps"
HAPPENS = (DIES, SLEEPS, *MEANWHILE)


def works(play: Play, *, place: Place | int | None = None, happens: str = DIES) -> None:
    """A worker does all that is due; the first time it comes to `place`, something happens."""
    play.tell("The worker works.")
    if place is not None:
        play.stage.watch.fate = Fate(place=place, happens=partial(_strike, play, happens))
    try:
        play.stage.work()
    except Death:
        # What it held is free again once its lease is over; until somebody works, that is as good as now.
        play.stage.end_leases()
    finally:
        play.stage.watch.fate = None


def polls(play: Play) -> None:
    play.tell("The bridge polls the CRMs.")
    play.stage.reconcile()


def _strike(play: Play, happens: str, place: Place) -> None:
    if happens == DIES:
        play.tell(f"   It dies {place}.")
        raise Death
    with play.meanwhile():
        if happens == SLEEPS:
            _sleep(play, place)
            return
        ticket = _at_work(play)
        if ticket is not None:
            before = len(play.words)
            MEANWHILE[happens](play, ticket)
            if len(play.words) > before:
                play.words[before] = f"   {str(place).capitalize()}: {play.words[before].strip()}"


def _sleep(play: Play, place: Place) -> None:
    """The worker stands still until its lease is over; another one takes over and finishes; then it goes on."""
    play.tell(f"It sleeps {place} until its lease is over, and another worker works.")
    lease = play.stage.watch.lease
    play.stage.end_leases()
    if lease is not None:
        lease.ends = 0.0
    play.stage.work()
    play.tell("It wakes up.")


def _at_work(play: Play) -> Ticket | None:
    """The case this worker is at; for a thread, or between cases, any."""
    lease = play.stage.watch.lease
    about = lease.ref_id if lease is not None else ""
    mine = next((ticket for ticket in play.tickets if ticket.ref.id == about and ticket.alive), None)
    return mine or play.ticket(0)
