"""`Stage`: what the rules are written with: a running CRM, an adapter connected to it, and drafts and replies to give.

It owns making things up (cases, drafts, keys) and reading them back, and no rule.
"""

from __future__ import annotations

import itertools
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from crm_bridge.contract import (
    Adapter,
    ApprovedReply,
    Capabilities,
    CaseContext,
    CaseRef,
    Change,
    Changes,
    Draft,
    Event,
    Message,
    Services,
)
from crm_bridge.kit.services import in_memory_services
from crm_bridge.testing.handle import EmulatedCrm
from crm_bridge.testing.wire import FaultyWire

ANA, BEN = "Ana Agent", "Ben Agent"
TEXT = "Please use the reset link we sent you; it works for one hour."
QUESTION = "I cannot sign in any more. What shall I do?"
MAX_PAGES = 200
THREADS_S = 60.0

Builder = Callable[[Mapping[str, Any], Services], Adapter]
Result = TypeVar("Result")


@dataclass(kw_only=True)
class Stage:
    """One test's view of a CRM and its adapter; `build` makes further adapters for the same connection."""

    crm: EmulatedCrm
    adapter: Adapter
    build: Builder
    config: Mapping[str, Any]
    measured: dict[str, int] = field(default_factory=dict)
    """CRM calls by operation of the adapter, as a rule counted them."""
    _made: list[Adapter] = field(default_factory=list)
    _wires: list[FaultyWire] = field(default_factory=list)

    @property
    def capabilities(self) -> Capabilities:
        """What is declared, and so asked for."""
        return self.adapter.capabilities

    # --- adapters -------------------------------------------------------------------------------------------------

    def services(self, **more: Any) -> Services:
        """Fresh in-memory services, as another process would have; `more` as in `in_memory_services`."""
        return in_memory_services(public_url=self.crm.public_url, clock=self.crm.clock, **more)

    def another(
        self, services: Services | None = None, *, config: Mapping[str, Any] | None = None, **more: Any
    ) -> Adapter:
        """One more adapter for the same connection; closed with the stage."""
        made = self.build(config or self.config, services or self.services(**more))
        self._made.append(made)
        return made

    def wired(self, base_url_key: str, settings: Mapping[str, Any] | None = None) -> tuple[Adapter, FaultyWire]:
        """An adapter that reaches the CRM through a wire that can be broken; `settings` are merged into its table."""
        wire = FaultyWire(str(self.crm.config[base_url_key]))
        self._wires.append(wire)
        return self.another(config={**self.config, **(settings or {}), base_url_key: wire.base_url}), wire

    def close(self) -> None:
        """Close what was made."""
        for made in self._made:
            made.close()
        for wire in self._wires:
            wire.stop()

    # --- making things up -----------------------------------------------------------------------------------------

    def open_case(self, subject: str = "", body: str = QUESTION, **more: Any) -> CaseRef:
        """A case of its own customer, so that tests on one CRM do not meet."""
        mark = secrets.token_hex(4)
        return self.crm.open_case(subject or f"Sign-in {mark}", body, customer=f"ann.{mark}@example.org", **more)

    def context(self, case: CaseRef, adapter: Adapter | None = None) -> CaseContext:
        """The case as read now."""
        context = (adapter or self.adapter).read_case(case)
        assert isinstance(context, CaseContext), f"expected a case, got {type(context).__name__}"
        return context

    def draft(self, case: CaseRef, *, text: str = TEXT, revision: int = 1) -> Draft:
        """A draft that answers the newest public message."""
        context = self.context(case)
        assert context.addressing is not None, "a case with a customer's message has an addressing"
        public = tuple(message.id for message in context.public_messages)
        return Draft(
            id=f"d-{secrets.token_hex(8)}",
            revision=revision,
            answers=public[-1],
            made_from=public,
            text=text,
            language="en",
            addressing=context.addressing,
        )

    def reply(self, case: CaseRef, *, text: str = TEXT, approver: str = ANA) -> ApprovedReply:
        """A reply `approver` accepted, having seen every public message there is."""
        draft = self.draft(case, text=text)
        return ApprovedReply(
            draft_id=draft.id,
            revision=draft.revision,
            case=case,
            text=text,
            language=draft.language,
            addressing=draft.addressing,
            approver=self.crm.agent(approver),
            answers=draft.answers,
            seen=draft.made_from,
        )

    # --- reading back ---------------------------------------------------------------------------------------------

    def gone_out(self, case: CaseRef, text: str = TEXT) -> list[Message]:
        """Public messages of ours to the customer with this text, as the customer has them."""
        return [one for one in self.crm.thread(case) if one.direction == "outgoing" and same(one.text, text)]

    def heard(self, adapter: Adapter | None = None) -> list[Event]:
        """The events of everything the CRM told since last asked."""
        reader = adapter or self.adapter
        return [event for one in self.crm.deliveries() for event in reader.parse(reader.verify(one))]

    def changes(self, cursor: str | None, adapter: Adapter | None = None) -> tuple[list[Change], str]:
        """Everything after a cursor, over all pages, and the last cursor."""
        found: list[Change] = []
        for page in self._pages((adapter or self.adapter).changed_since, cursor):
            found += page.items
            cursor = page.cursor
        assert cursor is not None
        return found, cursor

    def _pages(self, read: Callable[[str | None], Changes], cursor: str | None) -> Iterator[Changes]:
        for _ in range(MAX_PAGES):
            page = read(cursor)
            yield page
            if not page.more:
                return
            cursor = page.cursor
        raise AssertionError(f"still more to read after {MAX_PAGES} pages")


def same(ours: str, theirs: str) -> bool:
    """Equal but for white space."""
    return " ".join(ours.split()) == " ".join(theirs.split())


def key(prefix: str = "key") -> str:
    """An idempotency key nobody had before."""
    return f"{prefix}-{secrets.token_hex(8)}"


def at_once(actions: Sequence[Callable[[], Result]]) -> list[Result | Exception]:
    """What each brought, all begun at the same moment in threads of their own."""
    start = threading.Barrier(len(actions))
    results: list[Result | Exception] = [TimeoutError("did not end")] * len(actions)

    def run(position: int, action: Callable[[], Result]) -> None:
        start.wait(THREADS_S)
        try:
            results[position] = action()
        except Exception as error:  # noqa: BLE001 - the edge of a thread: handed to the test as it is
            results[position] = error

    threads = [threading.Thread(target=run, args=pair, daemon=True) for pair in enumerate(actions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(THREADS_S)
    return results


def later_revision(draft: Draft, text: str) -> Draft:
    """The next attempt at the same question."""
    return replace(draft, id=f"{draft.id}n", revision=draft.revision + 1, text=text)


def numbers() -> Iterator[int]:
    """0, 1, 2, … up to what no call of an adapter takes."""
    return itertools.islice(itertools.count(), 50)
