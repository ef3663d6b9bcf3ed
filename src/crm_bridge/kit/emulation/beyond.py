"""What only some CRMs can do, answered as a CRM that cannot: rules about it are skipped. A subclass says otherwise."""

# ruff: noqa: ARG002 - the names are those of `crm_bridge.testing.handle.EmulatedCrm`
from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from crm_bridge.contract import Attachment, CaseRef


class CannotYet:
    """Every optional word of `EmulatedCrm`; what they mean is said there."""

    longest_text: int | None = None

    def customer_attaches(self, case: CaseRef, body: str, files: Sequence[Attachment]) -> str | None:
        return None

    def merge(self, case: CaseRef, into: CaseRef) -> bool:
        return False

    def delete(self, case: CaseRef) -> bool:
        return False

    def edit_in_place(self, case: CaseRef, text: str, agent: str) -> bool:
        return False

    def remove_draft(self, case: CaseRef) -> bool:
        return False

    def decide(
        self, case: CaseRef, kind: str, agent: str, *, revision: int, text: str | None = None, reason: str = ""
    ) -> bool:
        return False

    def send_natively(self, case: CaseRef, agent: str, text: str | None = None) -> str | None:
        return None

    def shown(self, case: CaseRef) -> str | None:
        return None

    def publish(self, article: str, title: str, body: str, *, deleted: bool = False) -> bool:
        return False

    def hide(self, case: CaseRef) -> Sequence[str]:
        return ()

    def let_index_lag(self, by: timedelta) -> bool:
        return False
