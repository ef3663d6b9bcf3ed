"""What every value of the contract refuses, and that the contract stands on nothing but Python."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import crm_bridge.contract as contract
from crm_bridge.contract import (
    Adapter,
    Agent,
    AuthKind,
    Capabilities,
    CaseRef,
    Decider,
    Delivery,
    DeliveryAuth,
    Mutability,
    SendMarker,
    Sends,
    SentRef,
    Target,
    TargetKind,
    Token,
)
from crm_bridge.contract.value import MAX_ID_LENGTH

VALUES = [
    item
    for item in (getattr(contract, name) for name in contract.__all__)
    if inspect.isclass(item) and dataclasses.is_dataclass(item)
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: value.__name__)
def test_every_value_is_frozen_keyword_only_and_slotted(value: Any) -> None:
    parameters = value.__dataclass_params__
    assert parameters.frozen
    assert all(item.kw_only for item in dataclasses.fields(value))
    assert hasattr(value, "__slots__")


@pytest.mark.parametrize("name", ["CaseRef", "Agent", "Draft", "Message", "Delivery", "Event", "PanelState"])
def test_the_values_people_know_are_there(name: str) -> None:
    assert name in contract.__all__


def test_a_naive_time_is_refused() -> None:
    with pytest.raises(ValueError, match=r"SentRef\.sent_at must be an aware datetime"):
        SentRef(id="m1", sent_at=datetime(2026, 1, 1))  # noqa: DTZ001 - what is refused
    with pytest.raises(ValueError, match="received_at"):
        Delivery(method="POST", target="/", headers={}, body=b"", received_at=datetime(2026, 1, 1))  # noqa: DTZ001


@pytest.mark.parametrize("identity", ["", "x" * (MAX_ID_LENGTH + 1), "a\nb", "a\x00", "\u202eabc"])
def test_an_unusable_id_is_refused(identity: str) -> None:
    with pytest.raises(ValueError, match="printable"):
        CaseRef(id=identity)
    with pytest.raises(ValueError, match=r"Agent\.id"):
        Agent(id=identity, name="A")


def test_a_usable_id_is_taken_as_it_is() -> None:
    assert CaseRef(id="Ünï-500/…").id == "Ünï-500/…"


def test_a_value_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        CaseRef(id="1").id = "2"  # type: ignore[misc]


def test_a_token_does_not_show_its_secret() -> None:
    assert "hidden" not in repr(Token(value="hidden"))


def test_a_header_is_found_whatever_its_case() -> None:
    delivery = Delivery(
        method="POST", target="/", headers={"Webhook-Id": "1"}, body=b"", received_at=datetime(2026, 1, 1, tzinfo=UTC)
    )
    assert delivery.header("webhook-ID") == "1"
    assert delivery.header("other") is None


# --- capabilities -------------------------------------------------------------------------------------------------

TARGET = Target(
    kind=TargetKind.NATIVE_DRAFT,
    decides=frozenset({Decider.BRIDGE}),
    withdrawable=True,
    readable=True,
    idempotent=True,
    shows_states=True,
    mutability=Mutability.REPLACE,
)
CAPABILITIES = Capabilities(
    delivery_auth=DeliveryAuth(kind=AuthKind.SIGNED, covers=frozenset({"body"})),
    targets=(TARGET,),
    sends=Sends.BRIDGE,
    send_marker=SendMarker.KEY,
    knowledge=True,
    reconcile=True,
    deletions=True,
    panel=True,
)


@pytest.mark.parametrize(
    ("value", "changes"),
    [
        (DeliveryAuth(kind=AuthKind.NONE), {"covers": frozenset({"body"})}),
        (DeliveryAuth(kind=AuthKind.SHARED_SECRET), {"covers": frozenset({"time"})}),
        (TARGET, {"decides": frozenset({Decider.CRM}), "readable": False}),
        (TARGET, {"mutability": Mutability.APPEND, "withdrawable": True}),
        (CAPABILITIES, {"targets": ()}),
        (CAPABILITIES, {"targets": (dataclasses.replace(TARGET, decides=frozenset()),)}),
    ],
)
def test_capabilities_that_contradict_themselves_are_refused(value: Any, changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        dataclasses.replace(value, **changes)


def test_what_does_not_sign_its_body_is_a_hint() -> None:
    assert DeliveryAuth(kind=AuthKind.SIGNED, covers=frozenset({"target"})).is_hint
    assert DeliveryAuth(kind=AuthKind.SHARED_SECRET).is_hint
    assert not CAPABILITIES.delivery_auth.is_hint


# --- the package --------------------------------------------------------------------------------------------------

MODULES = sorted(Path(inspect.getfile(contract)).parent.glob("*.py"))


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_the_contract_imports_nothing_but_the_standard_library_and_itself(module: Path) -> None:
    for node in ast.walk(ast.parse(module.read_text("utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for name in names:
            assert name.startswith("crm_bridge.contract") or name.partition(".")[0] in sys.stdlib_module_names, name


def test_the_adapter_is_one_protocol_with_documented_methods() -> None:
    methods = [item for name, item in vars(Adapter).items() if inspect.isfunction(item) and not name.startswith("_")]
    assert len(methods) == 18
    assert all(method.__doc__ for method in methods)
