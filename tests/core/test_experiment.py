"""The arm is a hash of the requester alone."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_bridge.contract import CaseContext, CaseRef, Message, Person
from crm_bridge.core.experiment import Arm, assign, requester_key

share = st.floats(0.0, 1.0)


@given(key=st.text(), low=share, high=share)
def test_raising_the_holdout_never_moves_a_requester_out_of_it(key: str, low: float, high: float) -> None:
    low, high = min(low, high), max(low, high)
    if assign(key, salt="s", holdout=low) is Arm.HOLDOUT:
        assert assign(key, salt="s", holdout=high) is Arm.HOLDOUT


@given(key=st.text())
def test_nobody_and_everybody_are_exact(key: str) -> None:
    assert assign(key, salt="s", holdout=0.0) is Arm.TREATMENT
    assert assign(key, salt="s", holdout=1.0) is Arm.HOLDOUT


def test_the_share_is_kept_and_another_salt_draws_again() -> None:
    keys = [f"requester-{index}" for index in range(20_000)]
    first = [assign(key, salt="one", holdout=0.2) for key in keys]
    second = [assign(key, salt="two", holdout=0.2) for key in keys]
    assert abs(first.count(Arm.HOLDOUT) / len(keys) - 0.2) < 0.01
    both = sum(1 for pair in zip(first, second, strict=True) if pair == (Arm.HOLDOUT, Arm.HOLDOUT))
    assert abs(both / len(keys) - 0.04) < 0.01


@pytest.mark.parametrize("holdout", [-0.1, 1.01, float("nan")])
def test_a_share_outside_0_to_1_is_refused(holdout: float) -> None:
    with pytest.raises(ValueError, match="holdout"):
        assign("key", salt="s", holdout=holdout)


def test_one_customer_has_one_key_whatever_they_ask(
    case: Callable[..., CaseContext], message: Callable[..., Message]
) -> None:
    key = partial(requester_key, secret=b"of this connection")
    first = key(case(message("One"), requester=Person(id="a", email="Ada@Customer.test ")))
    second = key(case(message("Two"), subject="x", requester=Person(id="b", email="ada@customer.test")))
    assert first == second
    assert "ada" not in first
    nobody = [key(case(requester=None, case=CaseRef(id=name))) for name in ("c-1", "c-2")]
    assert nobody[0] != nobody[1]
    assert key(case(requester=Person(id="a"))) != key(case(requester=Person(id="b")))


def test_without_the_secret_nobody_can_tell_whose_key_it_is(case: Callable[..., CaseContext]) -> None:
    asked = case(requester=Person(id="a", email="ada@customer.test"))
    assert requester_key(asked, b"one") != requester_key(asked, b"two")
    assert requester_key(asked, b"one") != hashlib.sha256(b"email:ada@customer.test").hexdigest()
