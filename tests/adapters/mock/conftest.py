"""A running embedded CRM of any profile, the adapter connected to it, and the words tests use of both."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from crm_bridge.contract import (
    Agent,
    ApprovedReply,
    CaseContext,
    CaseRef,
    Draft,
    Fingerprint,
    PanelState,
    StateKind,
)
from crm_bridge.kit.services import in_memory_services
from crm_bridge_mock.adapter import MockAdapter, build
from crm_bridge_mock.emulator import MockCrm

AGENT = "Demo Agent"


@dataclass(frozen=True, kw_only=True)
class Pair:
    """An embedded CRM and the adapter that reaches it over HTTP."""

    crm: MockCrm
    adapter: MockAdapter

    def open_case(self, **more: Any) -> CaseRef:
        payload = {
            "subject": "I forgot my password",
            "body": "Please help me to log in.",
            "customer": {"name": "Ann Lee", "email": "ann@example.org"},
            **more,
        }
        status, case = self.crm.desk.create_case(payload, AGENT)
        assert status == 201, case
        return CaseRef(id=case["id"])

    def says(self, case: CaseRef, body: str, *, author: str = "customer", **more: Any) -> dict[str, Any]:
        status, message = self.crm.desk.add_message(case.id, {"author": author, "body": body, **more}, AGENT)
        assert status == 201, message
        return message

    def read(self, case: CaseRef) -> CaseContext:
        context = self.adapter.read_case(case)
        assert isinstance(context, CaseContext)
        return context

    def draft(self, case: CaseRef, *, revision: int = 1, text: str = "Use the reset link.", **more: Any) -> Draft:
        context = self.read(case)
        assert context.addressing is not None
        public = tuple(message.id for message in context.public_messages)
        draft = Draft(
            id=f"d-{case.id}-{revision}",
            revision=revision,
            answers=public[-1],
            made_from=public,
            text=text,
            language="en",
            addressing=context.addressing,
        )
        return replace(draft, **more)

    def write(self, case: CaseRef, *, key: str = "k1", replaces: Fingerprint | None = None, **more: Any) -> Any:
        return self.adapter.write_draft(case, self.draft(case, **more), key, replaces)

    def reply(self, case: CaseRef, *, text: str = "Use the reset link.", **more: Any) -> ApprovedReply:
        draft = self.draft(case)
        reply = ApprovedReply(
            draft_id=draft.id,
            revision=1,
            case=case,
            text=text,
            language="en",
            addressing=draft.addressing,
            approver=Agent(id="agent_1", name="Mina Weber"),
            answers=draft.answers,
            seen=draft.made_from,
        )
        return replace(reply, **more)

    def desk_case(self, case: CaseRef) -> dict[str, Any]:
        found = self.crm.desk.case(case.id, AGENT)
        assert found is not None
        return found

    def sent(self, case: CaseRef) -> list[dict[str, Any]]:
        return [message for message in self.desk_case(case)["messages"] if message["by_assistant"]]


def state(kind: StateKind = StateKind.READY, *, sequence: int, **more: Any) -> PanelState:
    return PanelState(kind=kind, sentence="A sentence.", sequence=sequence, **more)


@pytest.fixture
def connect() -> Iterator[Callable[..., Pair]]:
    started: list[Pair] = []

    def start(profile: str = "native", **more: Any) -> Pair:
        crm = MockCrm(profile=profile, **more)
        crm.start(webhooks=False)
        pair = Pair(crm=crm, adapter=build(crm.config, in_memory_services()))
        started.append(pair)
        return pair

    yield start
    for pair in started:
        pair.adapter.close()
        pair.crm.stop()


@pytest.fixture
def native(connect: Callable[..., Pair]) -> Pair:
    return connect("native")
