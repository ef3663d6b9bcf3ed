"""Rules of decisions taken in the CRM, and of replies agents send themselves: who decided what, once."""

from __future__ import annotations

import pytest

from crm_bridge.contract import (
    CaseRef,
    Conflict,
    Decider,
    DecisionKind,
    DraftRef,
    Found,
    RemoteDecision,
    SendMarker,
    Sends,
)
from crm_bridge.testing.base import ContractBase, proves
from crm_bridge.testing.stage import ANA, BEN, TEXT, Stage, at_once, key, later_revision, same


class Deciding(ContractBase):
    """What people decide in the CRM itself."""

    @proves("targets")
    @pytest.mark.parametrize("kind", ["accept", "edit", "reject"])
    def test_a_decision_is_read_with_its_person(self, stage: Stage, kind: str) -> None:
        case, ref = self._written(stage)
        text = "Better words." if kind == "edit" else None
        assert stage.crm.decide(case, kind, ANA, revision=1, text=text, reason="tone")
        decision = _decision(stage, ref)
        assert (decision.kind, decision.revision) == (DecisionKind(kind), 1)
        assert decision.agent.id == stage.crm.agent(ANA).id
        assert text is None or decision.text == text
        assert kind != "reject" or decision.reason == "tone"

    @proves("targets")
    def test_of_two_people_who_accept_at_once_one_wins(self, stage: Stage) -> None:
        case, ref = self._written(stage)
        results = at_once([lambda who=who: stage.crm.decide(case, "accept", who, revision=1) for who in (ANA, BEN)])  # type: ignore[misc]
        assert sorted(map(bool, results)) == [False, True]
        winner = (ANA, BEN)[results.index(True)]
        assert _decision(stage, ref).agent.id == stage.crm.agent(winner).id

    @proves("targets")
    def test_an_older_revision_cannot_be_decided(self, stage: Stage) -> None:
        case, ref = self._written(stage)
        newer = later_revision(stage.draft(case), "Newer.")
        ref = stage.adapter.write_draft(case, newer, key(), ref.fingerprint)
        assert not stage.crm.decide(case, "accept", ANA, revision=1)
        remote = stage.adapter.read_draft(ref)
        assert remote is not None
        assert remote.decision is None

    @proves("targets")
    def test_a_decision_nobody_read_yet_is_not_written_over(self, stage: Stage) -> None:
        case, ref = self._written(stage)
        draft = later_revision(stage.draft(case), "Newer.")
        assert stage.crm.decide(case, "accept", ANA, revision=1)
        with pytest.raises(Conflict):
            stage.adapter.write_draft(case, draft, key(), ref.fingerprint)
        with pytest.raises(Conflict):
            stage.adapter.withdraw_draft(ref, ref.fingerprint)
        assert _decision(stage, ref).kind is DecisionKind.ACCEPT

    @proves("targets", "sends")
    def test_what_an_agent_sends_is_read_as_theirs(self, stage: Stage) -> None:
        case, _ = self._handed_over(stage)
        sent = stage.crm.send_natively(case, ANA)
        message = next(one for one in stage.context(case).messages if one.id == sent)
        assert (message.direction, message.author.kind, message.public) == ("outgoing", "agent", True)
        assert message.author.id == stage.crm.agent(ANA).id
        assert same(message.text, TEXT)

    @proves("targets", "sends", "send_marker")
    def test_what_an_agent_sends_is_found(self, stage: Stage) -> None:
        self.declared(stage.capabilities.send_marker is not SendMarker.NONE, "replies that can be found")
        case, reply = self._handed_over(stage)
        at = stage.crm.clock.now()
        assert not isinstance(stage.adapter.find_reply(reply, "handed-over", at), Found)
        sent = stage.crm.send_natively(case, ANA)
        found = stage.adapter.find_reply(reply, "handed-over", at)
        assert isinstance(found, Found)
        assert found.ref.id == sent

    @proves("targets", "sends")
    def test_what_an_agent_sends_instead_is_not_taken_for_ours(self, stage: Stage) -> None:
        case, reply = self._handed_over(stage)
        at = stage.crm.clock.now()
        stage.crm.send_natively(case, ANA, "Something else altogether.")
        assert not isinstance(stage.adapter.find_reply(reply, "handed-over", at), Found)

    # --- inside -----------------------------------------------------------------------------------------------------

    def _written(self, stage: Stage) -> tuple[CaseRef, DraftRef]:
        self.declared(Decider.CRM in stage.capabilities.target.decides, "decisions taken in the CRM")
        case = stage.open_case()
        return case, stage.adapter.write_draft(case, stage.draft(case), key(), None)

    def _handed_over(self, stage: Stage):  # type: ignore[no-untyped-def]  # (CaseRef, ApprovedReply)
        self.declared(stage.capabilities.sends is Sends.AGENT, "agents who send themselves")
        case, _ = self._written(stage)
        reply = stage.reply(case)
        assert stage.crm.decide(case, "accept", ANA, revision=1)
        return case, reply


def _decision(stage: Stage, ref: DraftRef) -> RemoteDecision:
    remote = stage.another().read_draft(ref)
    assert remote is not None
    assert remote.decision is not None
    return remote.decision
