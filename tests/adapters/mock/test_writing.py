"""Drafts, states and replies as the adapter writes them into the embedded CRM."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from crm_bridge.contract import (
    Ambiguous,
    Conflict,
    Fingerprint,
    Found,
    Permanent,
    ProvenAbsent,
    Reauthenticate,
    Retry,
    SendMarker,
    Sends,
    StateKind,
    Unknown,
)
from crm_bridge.kit.emulation import FaultRule
from crm_bridge.kit.services import in_memory_services
from crm_bridge.kit.signing import new_secret
from crm_bridge_mock.adapter import build
from crm_bridge_mock.mapping import reply_body
from crm_bridge_mock.profiles import PROFILES

from .conftest import AGENT, Pair, state

Connect = Callable[..., Pair]
SENDING = sorted(name for name, row in PROFILES.items() if row.capabilities.sends is Sends.BRIDGE)
DRAFTS = sorted(name for name, row in PROFILES.items() if row.capabilities.target.readable)
NOW = datetime.now(UTC)


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_a_draft_written_twice_with_one_key_stands_there_once(connect: Connect, profile: str) -> None:
    pair = connect(profile)
    case = pair.open_case()
    pair.crm.faults.add(FaultRule(operation="write_draft", drop_answer_after_effect=True))
    draft = pair.draft(case)
    first = pair.adapter.write_draft(case, draft, "k1", None)
    assert pair.adapter.write_draft(case, draft, "k1", None) == first
    standing = pair.desk_case(case)
    assert [standing["draft"] is not None, len(pair.sent(case))] == ([False, 1] if profile == "notes" else [True, 0])


@pytest.mark.parametrize("profile", DRAFTS)
def test_what_was_written_is_read_back(connect: Connect, profile: str) -> None:
    pair = connect(profile)
    ref = pair.write(pair.open_case(), text="Line\r\nnext  ")
    remote = pair.adapter.read_draft(ref)
    assert remote is not None
    assert (remote.ref, remote.revision, remote.status, remote.decision) == (ref, 1, "written", None)


@pytest.mark.parametrize("profile", DRAFTS)
def test_the_text_of_a_person_is_never_written_over(connect: Connect, profile: str) -> None:
    pair = connect(profile)
    case = pair.open_case()
    ref = pair.write(case)
    assert pair.crm.desk.edit_in_place(case.id, {"text": "My own words"}, AGENT)[0] == 200
    with pytest.raises(Conflict):
        pair.write(case, key="k2", revision=2, replaces=ref.fingerprint)
    with pytest.raises(Conflict):
        pair.adapter.withdraw_draft(ref, ref.fingerprint)
    remote = pair.adapter.read_draft(ref)
    assert remote is not None
    assert remote.text == "My own words"
    assert pair.write(case, key="k3", revision=3, text="Newer", replaces=remote.ref.fingerprint) != ref


def test_a_draft_replaces_only_what_it_says(native: Pair) -> None:
    case = native.open_case()
    ref = native.write(case)
    with pytest.raises(Conflict):
        native.write(case, key="k2", revision=2, text="Other")
    with pytest.raises(Conflict):
        native.write(case, key="k3", revision=2, text="Other", replaces=Fingerprint(value="else"))
    native.write(case, key="k4", revision=2, text="Other", replaces=ref.fingerprint)
    assert native.desk_case(case)["draft"]["revision"] == 2


def test_a_draft_that_did_not_see_the_newest_message_is_refused(native: Pair) -> None:
    case = native.open_case()
    old = native.draft(case)
    native.says(case, "One more thing")
    with pytest.raises(Conflict):
        native.adapter.write_draft(case, old, "k1", None)


def test_a_withdrawn_draft_is_gone_and_may_be_withdrawn_again(native: Pair) -> None:
    case = native.open_case()
    ref = native.write(case)
    native.says(case, "Wait!")
    assert native.desk_case(case)["draft"]["status"] == "superseded"
    native.adapter.withdraw_draft(ref, ref.fingerprint)
    native.adapter.withdraw_draft(ref, ref.fingerprint)
    assert native.adapter.read_draft(ref) is None
    native.write(case, key="k2", revision=3)
    assert native.desk_case(case)["draft"]["status"] == "written"


def test_a_state_shown_late_changes_nothing(native: Pair) -> None:
    case = native.open_case()
    native.adapter.show(case, state(StateKind.READY, sequence=5), "s5")
    native.adapter.show(case, state(StateKind.DRAFTING, sequence=4), "s4")
    assert native.desk_case(case)["state"]["kind"] == "ready"
    native.adapter.show(case, state(StateKind.NO_DRAFT, sequence=6, reason="data"), "s6")
    assert native.desk_case(case)["state"]["reason"] == "data"


def test_a_shown_state_names_the_status_of_its_draft(native: Pair) -> None:
    case = native.open_case()
    native.write(case)
    draft_id = native.draft(case).id
    shown = state(StateKind.REJECTED, sequence=2, draft_id=draft_id, draft_status="rejected", revision=2)
    native.adapter.show(case, shown, "s2")
    draft = native.desk_case(case)["draft"]
    assert (draft["status"], draft["revision"]) == ("rejected", 2)


def test_a_late_ready_does_not_revive_a_superseded_draft(native: Pair) -> None:
    case = native.open_case()
    native.write(case)
    draft_id = native.draft(case).id
    native.says(case, "Wait!")
    native.adapter.show(case, state(sequence=9, draft_id=draft_id, draft_status="written", revision=1), "s9")
    assert native.desk_case(case)["draft"]["status"] == "superseded"


@pytest.mark.parametrize("profile", SENDING)
def test_a_reply_goes_out_in_the_name_of_its_approver(connect: Connect, profile: str) -> None:
    pair = connect(profile)
    case = pair.open_case()
    pair.write(case)
    sent = pair.adapter.send_reply(pair.reply(case), "r1")
    (message,) = pair.sent(case)
    assert (message["id"], message["author"], message["author_name"]) == (sent.id, "agent", "Mina Weber")
    assert message["to"] == ["ann@example.org"]
    newest = pair.read(case).messages[-1]
    assert (newest.author.kind, newest.direction) == ("bridge", "outgoing")
    assert pair.desk_case(case)["draft"]["status"] == "sent"


@pytest.mark.parametrize("profile", SENDING)
def test_a_lost_answer_is_ambiguous_and_then_found_as_far_as_the_crm_can(connect: Connect, profile: str) -> None:
    pair = connect(profile)
    case = pair.open_case()
    reply = pair.reply(case)
    pair.crm.faults.add(FaultRule(operation="send_reply", drop_answer_after_effect=True))
    with pytest.raises(Ambiguous):
        pair.adapter.send_reply(reply, "r1")
    assert len(pair.sent(case)) == 1
    found = pair.adapter.find_reply(reply, "r1", datetime.now(UTC))
    if pair.adapter.capabilities.send_marker is SendMarker.NONE:
        assert isinstance(found, Unknown)
    else:
        assert isinstance(found, Found)
        assert found.ref.id == pair.sent(case)[0]["id"]


@pytest.mark.parametrize(
    ("profile", "expected"),
    [("native", ProvenAbsent), ("property", Unknown), ("no-find", Unknown), ("foreign", ProvenAbsent)],
)
def test_what_never_went_out_is_proven_absent_only_where_it_can_be(
    connect: Connect, profile: str, expected: type[object]
) -> None:
    pair = connect(profile)
    case = pair.open_case()
    reply = pair.reply(case)
    pair.crm.faults.add(FaultRule(operation="send_reply", status=502))
    with pytest.raises(Ambiguous):
        pair.adapter.send_reply(reply, "r1")
    assert isinstance(pair.adapter.find_reply(reply, "r1", datetime.now(UTC)), expected)
    assert pair.sent(case) == []


def test_an_attempt_that_was_proven_absent_cannot_arrive_any_more(native: Pair) -> None:
    case = native.open_case()
    reply = native.reply(case)
    begun = datetime.now(UTC)
    late = reply_body(reply, "r1", begun)
    assert native.adapter.find_reply(reply, "r1", begun) == ProvenAbsent()
    with pytest.raises(Permanent):
        native.adapter._client.send(case.id, late)
    assert native.sent(case) == []
    native.adapter.send_reply(reply, "r1")
    assert len(native.sent(case)) == 1


def test_one_key_sends_once_also_after_newer_messages(native: Pair) -> None:
    case = native.open_case()
    reply = native.reply(case)
    sent = native.adapter.send_reply(reply, "r1")
    native.says(case, "Thank you!")
    assert native.adapter.send_reply(reply, "r1") == sent
    assert len(native.sent(case)) == 1


def test_a_crm_without_keys_sends_twice(connect: Connect) -> None:
    pair = connect("no-find")
    case = pair.open_case()
    pair.adapter.send_reply(pair.reply(case), "r1")
    pair.adapter.send_reply(pair.reply(case), "r1")
    assert len(pair.sent(case)) == 2


@pytest.mark.parametrize("profile", SENDING)
def test_a_newer_message_stops_the_sending(connect: Connect, profile: str) -> None:
    pair = connect(profile)
    case = pair.open_case()
    reply = pair.reply(case)
    pair.says(case, "Wait!")
    with pytest.raises(Conflict):
        pair.adapter.send_reply(reply, "r1")
    assert pair.sent(case) == []


def test_a_reply_sent_before_a_merge_is_found_on_the_survivor(native: Pair) -> None:
    case, other = native.open_case(), native.open_case(subject="Other")
    reply = native.reply(case)
    native.adapter.send_reply(reply, "r1")
    native.crm.desk.merge(case.id, other.id)
    assert isinstance(native.adapter.find_reply(reply, "r1", NOW), Found)
    with pytest.raises(Permanent):
        native.adapter.send_reply(replace(reply, seen=()), "r2")


def test_faults_name_what_the_caller_must_do(native: Pair) -> None:
    case = native.open_case()
    native.crm.faults.add(FaultRule(operation="read_case", status=429, retry_after=60))
    with pytest.raises(Retry) as limited:
        native.adapter.read_case(case)
    assert limited.value.after.total_seconds() == 60
    native.crm.faults.add(FaultRule(operation="read_case", status=401))
    with pytest.raises(Reauthenticate):
        native.adapter.read_case(case)
    native.read(case)


def test_a_wrong_secret_is_refused(native: Pair) -> None:
    stranger = build({**native.crm.config, "webhook_secrets": [new_secret()]}, in_memory_services())
    with pytest.raises(Reauthenticate):
        stranger.read_case(native.open_case())


def test_notes_are_headed_with_what_they_answer(connect: Connect) -> None:
    pair = connect("notes")
    case = pair.open_case()
    pair.write(case)
    (note,) = pair.sent(case)
    assert not note["public"]
    assert pair.read(case).messages[0].id in note["body"].splitlines()[0]


def test_no_lease_no_effect(native: Pair) -> None:
    case = native.open_case()
    fenced = build(native.crm.config, in_memory_services(may_start=lambda: False))
    with pytest.raises(Retry):
        fenced.send_reply(native.reply(case), "r1")
    assert native.sent(case) == []
