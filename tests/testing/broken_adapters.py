"""Adapters with one fault each, put to the one rule that has to catch it. Run by `test_broken_adapters.py` only.

Each class is named for what is wrong with it; `caught_by` names the rule. `TestUnbroken…` stands these rules.
"""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar
from xml.etree import ElementTree as ET

import pytest
import requests

from crm_bridge.contract import (
    Ambiguous,
    ApprovedReply,
    CaseContext,
    CaseRef,
    Changes,
    Conflict,
    Delivery,
    Draft,
    DraftRef,
    Event,
    EventKind,
    FindResult,
    Fingerprint,
    Found,
    Merged,
    NotACase,
    OutboundError,
    Permanent,
    ProvenAbsent,
    Retry,
    SentRef,
    Services,
    Token,
    Unknown,
    VerificationFailed,
    VerifiedDelivery,
)
from crm_bridge.kit.services import MemoryTokens
from crm_bridge.kit.signing import sign_webhook
from crm_bridge.testing import AdapterContract, EmulatedCrm, Signer
from crm_bridge_mock.adapter import MockAdapter
from crm_bridge_mock.emulator.handle import MockHandle
from crm_bridge_mock.schemas import MockConfig, checked

SAMPLES = Path(__file__).parent.parent / "adapters" / "mock" / "samples"

_crms: dict[str, MockHandle] = {}


@pytest.fixture(scope="session", autouse=True)
def _stop_all() -> Iterator[None]:
    yield
    for crm in _crms.values():
        crm.stop()


class Broken(AdapterContract):
    """The contract for `made`, on an emulated CRM that all of them share."""

    profile: ClassVar[str] = "native"
    made: ClassVar[Callable[[MockConfig, Services], MockAdapter]] = MockAdapter
    caught_by: ClassVar[str] = ""
    samples = SAMPLES
    impatient: ClassVar = {"timeout_s": 0.4}
    daily_limits = ((429, {"Retry-After": "40000"}, {"code": "daily"}),)
    within_s = 2.0

    @pytest.fixture
    def crm(self) -> EmulatedCrm:
        if self.profile not in _crms:
            _crms[self.profile] = MockHandle(profile=self.profile)
            _crms[self.profile].start()
        return _crms[self.profile]

    @pytest.fixture
    def signer(self, crm: MockHandle) -> Signer:
        return crm.signer

    def build(self, crm: EmulatedCrm, config: Mapping[str, Any], services: Services) -> MockAdapter:
        return type(self).made(checked(config), services)


class TestUnbroken(Broken):
    pass


class TestUnbrokenProperty(Broken):
    profile = "property"


class TestUnbrokenHints(Broken):
    profile = "hints"


class TestUnbrokenTokens(Broken):
    profile = "tokens"


class TestUnbrokenMarked(Broken):
    profile = "marked"


# --- deliveries -------------------------------------------------------------------------------------------------------


class TestRaisesValueErrorOnABadHeader(Broken):
    caught_by = "test_an_odd_header_is_refused_and_nothing_else['nan']"

    class made(MockAdapter):  # noqa: N801 - what the class above is made of
        def verify(self, delivery: Delivery) -> VerifiedDelivery:
            int(delivery.header("webhook-timestamp") or 0)
            return super().verify(delivery)


class TestRaisesKeyErrorOnAMissingHeader(Broken):
    caught_by = "test_a_missing_header_is_refused"

    class made(MockAdapter):  # noqa: N801
        def verify(self, delivery: Delivery) -> VerifiedDelivery:
            assert delivery.headers["webhook-id"]
            return super().verify(delivery)


class TestAcceptsStaleDeliveries(Broken):
    caught_by = "test_a_stale_delivery_is_refused"

    class made(MockAdapter):  # noqa: N801
        def verify(self, delivery: Delivery) -> VerifiedDelivery:
            given = delivery.header("webhook-timestamp") or ""
            signed_at = datetime.fromtimestamp(int(given), UTC) if given.isdigit() else delivery.received_at
            return super().verify(replace(delivery, received_at=signed_at))


class TestKnowsOnlyTheFirstSecret(Broken):
    caught_by = "test_secrets_rotate"

    class made(MockAdapter):  # noqa: N801
        def __init__(self, config: MockConfig, services: Services) -> None:
            super().__init__(replace(config, webhook_secrets=config.webhook_secrets[:1]), services)


class TestComparesSignaturesWithEquals(Broken):
    caught_by = "test_secrets_are_compared_in_constant_time"

    class made(MockAdapter):  # noqa: N801
        def verify(self, delivery: Delivery) -> VerifiedDelivery:
            made = sign_webhook(
                self._config.webhook_secrets[0],
                message_id=delivery.header("webhook-id") or "",
                at=datetime.fromtimestamp(int(delivery.header("webhook-timestamp") or 0), UTC),
                body=delivery.body,
            )
            if made["webhook-signature"] != delivery.header("webhook-signature"):
                raise VerificationFailed("wrong_signature")
            return VerifiedDelivery(delivery=delivery, signed_body=True)


class TestDoesNotLookAtTheTarget(Broken):
    caught_by = "test_every_changed_bit_of_the_target_is_refused"
    profile = "marked"

    class made(MockAdapter):  # noqa: N801
        def verify(self, delivery: Delivery) -> VerifiedDelivery:
            return super().verify(replace(delivery, target="/webhooks/demo"))


class TestDoesNotLookAtTheMethod(Broken):
    caught_by = "test_another_method_is_refused"
    profile = "marked"

    class made(MockAdapter):  # noqa: N801
        def verify(self, delivery: Delivery) -> VerifiedDelivery:
            return super().verify(replace(delivery, method="POST"))


class TestTakesADecisionFromAHint(Broken):
    caught_by = "test_a_hint_is_only_a_ref"
    profile = "hints"

    class made(MockAdapter):  # noqa: N801
        def verify(self, delivery: Delivery) -> VerifiedDelivery:
            return replace(super().verify(delivery), signed_body=True)


class TestDedupesByCaseOnly(Broken):
    caught_by = "test_two_changes_in_one_second_have_different_keys"

    class made(MockAdapter):  # noqa: N801
        def parse(self, verified: VerifiedDelivery) -> Sequence[Event]:
            return [replace(event, key=event.about.id) for event in super().parse(verified)]


class TestDedupesByCaseAndSecond(Broken):
    caught_by = "test_two_changes_in_one_second_have_different_keys"

    class made(MockAdapter):  # noqa: N801
        def parse(self, verified: VerifiedDelivery) -> Sequence[Event]:
            return [
                replace(event, key=f"{event.about.id}:{event.kind}:{event.occurred_at:%H%M%S}")
                for event in super().parse(verified)
            ]


class TestMakesKeysOfTheDelivery(Broken):
    caught_by = "test_a_redelivery_has_the_same_keys"

    class made(MockAdapter):  # noqa: N801
        def parse(self, verified: VerifiedDelivery) -> Sequence[Event]:
            attempt = verified.delivery.header("webhook-timestamp")
            return [replace(event, key=f"{event.key}:{attempt}") for event in super().parse(verified)]


class TestDropsUnknownKinds(Broken):
    caught_by = "test_an_unknown_kind_is_kept"

    class made(MockAdapter):  # noqa: N801
        def parse(self, verified: VerifiedDelivery) -> Sequence[Event]:
            return [event for event in super().parse(verified) if event.kind is not EventKind.UNKNOWN]


class TestStumblesOverStrangeJson(Broken):
    caught_by = "test_no_json_breaks_parsing"

    class made(MockAdapter):  # noqa: N801
        def parse(self, verified: VerifiedDelivery) -> Sequence[Event]:
            assert all("id" in entry for entry in json.loads(verified.delivery.body))
            return super().parse(verified)


class TestStumblesOverXml(Broken):
    caught_by = "test_no_xml_breaks_parsing"

    class made(MockAdapter):  # noqa: N801
        def parse(self, verified: VerifiedDelivery) -> Sequence[Event]:
            if verified.delivery.body.startswith(b"<"):
                ET.fromstring(verified.delivery.body)
            return super().parse(verified)


class TestStumblesOverDamagedDeliveries(Broken):
    caught_by = "test_no_damage_to_a_real_delivery_breaks_parsing"

    class made(MockAdapter):  # noqa: N801
        def parse(self, verified: VerifiedDelivery) -> Sequence[Event]:
            json.loads(verified.delivery.body)
            return super().parse(verified)


# --- reading ----------------------------------------------------------------------------------------------------------


class TestForgetsTheSecondPage(Broken):
    caught_by = "test_a_long_thread_is_read_to_its_first_message"

    class made(MockAdapter):  # noqa: N801
        def read_case(self, case: CaseRef) -> CaseContext | Merged | NotACase:
            found = super().read_case(case)
            return replace(found, messages=found.messages[-50:]) if isinstance(found, CaseContext) else found


class TestTakesNotesForPublic(Broken):
    caught_by = "test_every_message_has_its_direction_and_author"

    class made(MockAdapter):  # noqa: N801
        def read_case(self, case: CaseRef) -> CaseContext | Merged | NotACase:
            found = super().read_case(case)
            if not isinstance(found, CaseContext):
                return found
            return replace(found, messages=tuple(replace(message, public=True) for message in found.messages))


class TestForgetsAttachments(Broken):
    caught_by = "test_every_attachment_has_its_name_type_and_size"

    class made(MockAdapter):  # noqa: N801
        def read_case(self, case: CaseRef) -> CaseContext | Merged | NotACase:
            found = super().read_case(case)
            if not isinstance(found, CaseContext):
                return found
            return replace(found, messages=tuple(replace(message, attachments=()) for message in found.messages))


class TestShowsForbiddenFieldsAsEmpty(Broken):
    caught_by = "test_what_may_not_be_read_is_named"

    class made(MockAdapter):  # noqa: N801
        def read_case(self, case: CaseRef) -> CaseContext | Merged | NotACase:
            found = super().read_case(case)
            return replace(found, unreadable=()) if isinstance(found, CaseContext) else found


class TestTakesTroubleForAbsence(Broken):
    caught_by = "test_a_read_that_fails_names_what_to_do[500]"

    class made(MockAdapter):  # noqa: N801
        def read_case(self, case: CaseRef) -> CaseContext | Merged | NotACase:
            try:
                return super().read_case(case)
            except OutboundError:
                return NotACase(reason="gone")


class TestFollowsARedirectWithItsToken(Broken):
    caught_by = "test_a_redirect_is_never_followed"

    class made(MockAdapter):  # noqa: N801
        def read_case(self, case: CaseRef) -> CaseContext | Merged | NotACase:
            with suppress(requests.RequestException):
                requests.get(f"{self._config.base_url}/api/cases/{case.id}", headers={"X-Token": "token"}, timeout=5)
            return super().read_case(case)


class TestWaitsMuchTooLong(Broken):
    caught_by = "test_a_read_that_fails_names_what_to_do[drip]"

    class made(MockAdapter):  # noqa: N801
        def __init__(self, config: MockConfig, services: Services) -> None:
            super().__init__(replace(config, timeout_s=max(config.timeout_s, 2.5)), services)


class TestHurriesAfterADailyLimit(Broken):
    caught_by = "test_no_more_today_is_waited_for_long_and_is_no_fault_of_the_case"

    class made(MockAdapter):  # noqa: N801
        def read_case(self, case: CaseRef) -> CaseContext | Merged | NotACase:
            try:
                return super().read_case(case)
            except Retry as error:
                raise Retry(error.detail, code=error.code) from error


class TestBlamesTheCaseForADailyLimit(Broken):
    caught_by = "test_no_more_today_is_waited_for_long_and_is_no_fault_of_the_case"

    class made(MockAdapter):  # noqa: N801
        def write_draft(self, case: CaseRef, draft: Draft, key: str, replaces: Fingerprint | None) -> DraftRef:
            try:
                return super().write_draft(case, draft, key, replaces)
            except Retry as error:
                raise Permanent(error.detail, code=error.code) from error


# --- reconciling ------------------------------------------------------------------------------------------------------


class TestForgetsTheSecondPageOfChanges(Broken):
    caught_by = "test_many_changes_of_one_second_are_found_over_all_pages"

    class made(MockAdapter):  # noqa: N801
        def changed_since(self, cursor: str | None) -> Changes:
            return replace(super().changed_since(cursor), more=False)


class TestLosesTheSecondChangeOfASecond(Broken):
    caught_by = "test_the_second_change_of_a_second_is_found"

    class made(MockAdapter):  # noqa: N801
        def changed_since(self, cursor: str | None) -> Changes:
            """The cursor is the time of the newest change, and "after" means a later second."""
            position, _, second = (cursor or "").partition("@")
            page = super().changed_since(position or None)
            now = f"{self._services.clock.now():%Y%m%d%H%M%S}"
            items = page.items if now > second else ()
            return replace(page, items=items, cursor=f"{page.cursor}@{now}")


class TestKeepsItsCursorInMemory(Broken):
    caught_by = "test_a_cursor_survives_a_restart"

    class made(MockAdapter):  # noqa: N801
        def __init__(self, config: MockConfig, services: Services) -> None:
            super().__init__(config, services)
            self._cursor: str | None = None

        def changed_since(self, cursor: str | None) -> Changes:
            page = super().changed_since(self._cursor)
            self._cursor = page.cursor
            return replace(page, cursor="newest")


# --- drafts -----------------------------------------------------------------------------------------------------------


class TestWritesOverThePersonsWords(Broken):
    caught_by = "test_the_words_of_a_person_are_never_written_over"

    class made(MockAdapter):  # noqa: N801
        def __init__(self, config: MockConfig, services: Services) -> None:
            super().__init__(config, services)
            self._ours: dict[str, DraftRef] = {}

        def write_draft(self, case: CaseRef, draft: Draft, key: str, replaces: Fingerprint | None) -> DraftRef:
            standing = self.read_draft(self._ours[case.id]) if case.id in self._ours else None
            replaces = standing.ref.fingerprint if standing is not None else replaces
            self._ours[case.id] = super().write_draft(case, draft, key, replaces)
            return self._ours[case.id]


class TestWithdrawsThePersonsWords(Broken):
    caught_by = "test_the_words_of_a_person_are_never_withdrawn"

    class made(MockAdapter):  # noqa: N801
        def withdraw_draft(self, ref: DraftRef, replaces: Fingerprint) -> None:
            standing = self.read_draft(ref)
            super().withdraw_draft(ref, standing.ref.fingerprint if standing is not None else replaces)


class TestWritesUnderANewKeyEachTime(Broken):
    caught_by = "test_writing_twice_with_one_key_is_once"

    class made(MockAdapter):  # noqa: N801
        def write_draft(self, case: CaseRef, draft: Draft, key: str, replaces: Fingerprint | None) -> DraftRef:
            return super().write_draft(case, draft, f"{key}-{secrets.token_hex(4)}", replaces)


class TestTakesItsOwnTextForAPersons(Broken):
    caught_by = "test_what_was_written_is_known_again"

    class made(MockAdapter):  # noqa: N801
        def write_draft(self, case: CaseRef, draft: Draft, key: str, replaces: Fingerprint | None) -> DraftRef:
            ref = super().write_draft(case, draft, key, replaces)
            return replace(ref, fingerprint=Fingerprint(value=f"exactly {draft.text}"))


# --- replies ----------------------------------------------------------------------------------------------------------


class TestSendsAgainAfterALostAnswer(Broken):
    caught_by = "test_a_lost_answer_is_ambiguous_and_sends_once[reset]"
    profile = "property"

    class made(MockAdapter):  # noqa: N801
        def send_reply(self, reply: ApprovedReply, key: str) -> SentRef:
            try:
                return super().send_reply(reply, key)
            except Ambiguous:
                seen = public_ids(self, reply.case)
                return super().send_reply(replace(reply, seen=seen), key)


class TestCallsALostAnswerARetry(Broken):
    caught_by = "test_a_lost_answer_is_ambiguous_and_sends_once[truncated]"

    class made(MockAdapter):  # noqa: N801
        def send_reply(self, reply: ApprovedReply, key: str) -> SentRef:
            try:
                return super().send_reply(reply, key)
            except Ambiguous as error:
                raise Retry(error.detail, code=error.code) from error


class TestTakesNotFoundYetForAbsent(Broken):
    caught_by = "test_an_index_that_lags_is_no_proof_of_absence"
    profile = "property"

    class made(MockAdapter):  # noqa: N801
        def find_reply(self, reply: ApprovedReply, key: str, attempted_at: datetime) -> FindResult:
            found = super().find_reply(reply, key, attempted_at)
            return ProvenAbsent() if isinstance(found, Unknown) else found


class TestTakesAnEarlierReplyForOurs(Broken):
    caught_by = "test_an_earlier_reply_with_the_same_words_is_not_ours"
    profile = "property"

    class made(MockAdapter):  # noqa: N801
        def find_reply(self, reply: ApprovedReply, key: str, attempted_at: datetime) -> FindResult:
            return super().find_reply(replace(reply, seen=()), key, attempted_at)


class _TakesTheNewest(MockAdapter):
    """Of two replies with the same words."""

    def find_reply(self, reply: ApprovedReply, key: str, attempted_at: datetime) -> FindResult:
        context = self.read_case(reply.case)
        assert isinstance(context, CaseContext)
        for one in reversed(context.public_messages):
            if one.direction == "outgoing" and one.text == reply.text and one.id not in reply.seen:
                return Found(ref=SentRef(id=one.id, sent_at=one.sent_at))
        return Unknown(reason="not_seen", look_again_after=timedelta(seconds=10))


class TestTakesTheNewestOfTwoEqualReplies(Broken):
    caught_by = "test_each_of_two_replies_with_the_same_words_is_found_as_itself"
    profile = "property"
    made = _TakesTheNewest


class TestTakesAnotherPersonsWordsForOursWhileTheIndexLags(Broken):
    caught_by = "test_the_same_words_of_another_person_are_not_ours_however_the_index_lags"
    profile = "marked"
    made = _TakesTheNewest


class TestLooksForWordsInsteadOfItsMark(Broken):
    caught_by = "test_the_same_words_by_two_people_are_told_apart"
    profile = "marked"
    made = _TakesTheNewest


class TestReadsNoMarks(Broken):
    caught_by = "test_a_mark_is_read_with_the_message_that_bears_it"
    profile = "marked"

    class made(MockAdapter):  # noqa: N801
        def read_case(self, case: CaseRef) -> CaseContext | Merged | NotACase:
            found = super().read_case(case)
            if not isinstance(found, CaseContext):
                return found
            return replace(found, messages=tuple(replace(message, key=None) for message in found.messages))


class TestProvesAbsenceWithoutAFence(Broken):
    caught_by = "test_an_attempt_proven_absent_cannot_arrive_late"

    class made(MockAdapter):  # noqa: N801
        def find_reply(self, reply: ApprovedReply, key: str, attempted_at: datetime) -> FindResult:
            context = self.read_case(reply.case)
            assert isinstance(context, CaseContext)
            ours = next((message for message in context.messages if message.key == key), None)
            return Found(ref=SentRef(id=ours.id, sent_at=ours.sent_at)) if ours else ProvenAbsent()


class TestSendsOverSomethingNewer(Broken):
    caught_by = "test_something_newer_stops_the_sending"

    class made(MockAdapter):  # noqa: N801
        def send_reply(self, reply: ApprovedReply, key: str) -> SentRef:
            return super().send_reply(replace(reply, seen=public_ids(self, reply.case)), key)


class TestSendsOnceMoreAfterACrash(Broken):
    caught_by = "test_a_reply_tried_again_after_a_crash_went_out_once"
    profile = "property"

    class made(MockAdapter):  # noqa: N801
        def send_reply(self, reply: ApprovedReply, key: str) -> SentRef:
            context = self.read_case(reply.case)
            assert isinstance(context, CaseContext)
            ours = tuple(message.id for message in context.public_messages if message.author.kind == "bridge")
            return super().send_reply(replace(reply, seen=reply.seen + ours), key)


class TestSendsWithoutALease(Broken):
    caught_by = "test_without_a_lease_nothing_is_sent"

    class made(MockAdapter):  # noqa: N801
        def __init__(self, config: MockConfig, services: Services) -> None:
            super().__init__(config, replace(services, may_start=lambda: True))


class TestCallsAFailedSendSent(Broken):
    caught_by = "test_a_request_that_never_arrived_is_never_called_sent[502]"

    class made(MockAdapter):  # noqa: N801
        def send_reply(self, reply: ApprovedReply, key: str) -> SentRef:
            try:
                return super().send_reply(reply, key)
            except (Ambiguous, Retry, Conflict):
                return SentRef(id="sent-for-sure", sent_at=datetime.now(UTC))


# --- tokens -----------------------------------------------------------------------------------------------------------


class _EveryoneRefreshes:
    """Tokens without single flight."""

    def __init__(self) -> None:
        self._kept: dict[str, Token] = {}
        self._lock = threading.Lock()

    def get(self, name: str) -> Token | None:
        return self._kept.get(name)

    def refresh(self, name: str, stale: Token | None, fetch: Callable[[Token | None], Token]) -> Token:
        fresh = fetch(stale)
        with self._lock:
            self._kept[name] = fresh
        return fresh


class TestRefreshesTwice(Broken):
    caught_by = "test_an_ended_token_is_refreshed_once_by_all_threads_and_processes"
    profile = "tokens"

    class made(MockAdapter):  # noqa: N801
        def __init__(self, config: MockConfig, services: Services) -> None:
            super().__init__(config, replace(services, tokens=_EveryoneRefreshes()))


class TestKeepsItsTokenToItself(Broken):
    caught_by = "test_an_ended_token_is_refreshed_once_by_two_processes"
    profile = "tokens"

    class made(MockAdapter):  # noqa: N801
        def __init__(self, config: MockConfig, services: Services) -> None:
            super().__init__(config, replace(services, tokens=MemoryTokens()))


def public_ids(adapter: MockAdapter, case: CaseRef) -> tuple[str, ...]:
    """Every public message there is now."""
    context = adapter.read_case(case)
    return tuple(message.id for message in context.public_messages) if isinstance(context, CaseContext) else ()
