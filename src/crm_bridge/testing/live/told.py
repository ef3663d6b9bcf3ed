"""Live rules about what the CRM tells by itself: deliveries that were taken while the run lasted."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from crm_bridge.contract import AuthKind, CaseRef, Delivery, VerificationFailed
from crm_bridge.testing.live.stage import Broken, LiveStage, NotPossible, expect, needed

TOLD_WITHIN_S = 20.0
LOOK_EVERY_S = 0.1
NOT_LISTENING = "webhooks are not taken here: --listen, with the bridge stopped"


def deliveries_are_proven(stage: LiveStage) -> str:
    """What the CRM delivers is believed, and nothing that only looks like it."""
    needed(stage.capabilities.delivery_auth.kind is not AuthKind.NONE, "not declared: any proof of the sender")
    deliveries = _deliveries(stage)
    for one in deliveries:
        verified = stage.adapter.verify(one)
        expect(verified.signed_body is not stage.capabilities.delivery_auth.is_hint, "signed, or only a hint?")
        for changed in _changed(stage, one):
            _refused(stage, changed)
    return f"{len(deliveries)} deliveries"


def deliveries_are_understood(stage: LiveStage) -> str:
    """What the CRM delivers leads to the case it is about."""
    found: set[CaseRef] = set()
    events = 0
    for one in _deliveries(stage):
        for event in stage.adapter.parse(stage.adapter.verify(one)):
            events += 1
            known = event.about if isinstance(event.about, CaseRef) else stage.adapter.resolve(event.about)
            if isinstance(known, CaseRef):
                found.add(known)
    expect(events, "no event in any of them")
    expect(not stage.opened_meanwhile or stage.known_case in found, "none of them is about the case that was opened")
    return f"{events} events about {len(found)} cases"


def the_panel_is_not_called(stage: LiveStage) -> str:
    """Who calls from the panel is who the CRM says."""
    needed(stage.capabilities.panel, "not declared: panel")
    raise NotPossible("only an agent in the CRM can make such a call; the emulator plays them")


def nothing_is_deleted(stage: LiveStage) -> str:
    """A case that is deleted is gone."""
    needed(stage.capabilities.deletions, "not declared: deletions")
    raise NotPossible("nothing is deleted in a CRM of yours")


def _deliveries(stage: LiveStage) -> Sequence[Delivery]:
    if stage.deliveries is None:
        raise NotPossible(NOT_LISTENING)
    until = time.monotonic() + (TOLD_WITHIN_S if stage.opened_meanwhile else 2.0)
    while not (found := list(stage.deliveries())) and time.monotonic() < until:
        time.sleep(LOOK_EVERY_S)
    expect(found or not stage.opened_meanwhile, "the CRM told nothing of the case that was opened: is our address set?")
    needed(found, "nobody changed anything meanwhile, so nothing was delivered")
    return found


def _changed(stage: LiveStage, one: Delivery) -> list[Delivery]:
    """Deliveries that differ from a true one in something its proof covers."""
    changes: Mapping[str, Callable[[Delivery], Delivery]] = {
        "body": lambda it: replace(it, body=it.body[:-1] + bytes([it.body[-1] ^ 1]) if it.body else b"x"),
        "target": lambda it: replace(it, target=f"{it.target}?x=1"),
        "method": lambda it: replace(it, method="PUT"),
    }
    return [change(one) for part, change in changes.items() if part in stage.capabilities.delivery_auth.covers]


def _refused(stage: LiveStage, delivery: Delivery) -> None:
    try:
        stage.adapter.verify(delivery)
    except VerificationFailed:
        return
    raise Broken("a delivery with another body, target or method is believed")
