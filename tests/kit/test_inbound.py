"""A token in the path and a signed panel call: what they prove, and that they fail in one way."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_bridge.contract import Agent, Delivery, VerificationFailed
from crm_bridge.kit.emulation import StandardSigner
from crm_bridge.kit.inbound import agent_of, is_panel_call, path_token, usable_id, verify_panel_call, verify_path_token
from crm_bridge.kit.signing import new_secret

SECRET, OTHER = new_secret(), new_secret()
URL = "https://bridge.example.com/crm"


def told(target: str) -> Delivery:
    return Delivery(method="POST", target=target, headers={}, body=b"{}", received_at=datetime.now(UTC))


@pytest.mark.parametrize("target", ["/crm/webhooks/a/{}", "/webhooks/a/{}", "/crm/webhooks/a-b/{}?x=1"])
def test_whoever_knows_the_path_is_believed_to_know_it_and_nothing_more(target: str) -> None:
    verified = verify_path_token(told(target.format(path_token(SECRET))), [OTHER, SECRET], public_url=URL)
    assert not verified.signed_body


@pytest.mark.parametrize(
    "target", ["/webhooks/a/{}/", "/webhooks/a/{}x", "/webhooks//{}", "/elsewhere/a/{}", "/webhooks/a"]
)
def test_another_path_is_refused(target: str) -> None:
    with pytest.raises(VerificationFailed, match="no_path_token"):
        verify_path_token(told(target.format(path_token(SECRET))), [SECRET], public_url=URL)


def test_the_token_of_another_secret_is_refused_and_no_secret_stands_in_a_path() -> None:
    with pytest.raises(VerificationFailed, match="wrong_path_token"):
        verify_path_token(told(f"/webhooks/a/{path_token(OTHER)}"), [SECRET], public_url=URL)
    assert SECRET.removeprefix("whsec_") not in path_token(SECRET)


@given(st.text(max_size=200))
def test_no_target_is_anything_but_refused(target: str) -> None:
    with pytest.raises(VerificationFailed):
        verify_path_token(told(target), [SECRET], public_url=URL)


def test_a_panel_call_names_its_agent() -> None:
    agent = Agent(id="a/1&b", name="Zoë O'Hara & Co")
    call = StandardSigner(secret=SECRET).sign_panel(agent)
    assert call is not None
    assert is_panel_call(call, public_url=URL)
    assert agent_of(verify_panel_call(call, [OTHER, SECRET])) == agent


def test_an_agent_who_was_not_signed_for_is_nobody() -> None:
    call = StandardSigner(secret=SECRET).sign_panel(Agent(id="a", name="Ana"))
    assert call is not None
    with pytest.raises(VerificationFailed):
        verify_panel_call(replace(call, target=call.target.replace("agent_id=a", "agent_id=b")), [SECRET])
    webhook = StandardSigner(secret=SECRET).sign(b"{}")
    with pytest.raises(VerificationFailed, match="not_a_panel_call"):
        agent_of(verify_path_token(told(f"/webhooks/a/{path_token(SECRET)}?agent_id=a"), [SECRET], public_url=URL))
    assert not is_panel_call(webhook, public_url=URL)


@pytest.mark.parametrize(
    "query", ["agent_id=a", "agent_id=a&agent_id=b&agent_name=n", "agent_id=&agent_name=n", "x=" * 50]
)
def test_a_signed_call_that_names_no_one_agent_is_refused(query: str) -> None:
    signer = StandardSigner(secret=SECRET)
    call = signer.sign_panel(Agent(id="a", name="n"))
    assert call is not None
    verified = verify_panel_call(call, [SECRET])
    changed = replace(verified, delivery=replace(call, target=f"{call.target.partition('?')[0]}?{query}"))
    with pytest.raises(VerificationFailed):
        agent_of(changed)


@pytest.mark.parametrize(
    ("value", "good"), [("a", True), ("", False), ("a" * 201, False), ("a\n", False), (7, False), (None, False)]
)
def test_what_can_be_an_id(value: object, good: bool) -> None:
    assert usable_id(value) is good
