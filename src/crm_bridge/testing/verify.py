"""Rules of `verify` and `identify`: what is declared as covered is covered, all of it, and there is one way to fail."""

from __future__ import annotations

import hmac
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import strategies as st

from crm_bridge.contract import Adapter, Agent, AuthKind, Delivery, VerificationFailed
from crm_bridge.testing.base import ContractBase, for_all, proves
from crm_bridge.testing.handle import Signer
from crm_bridge.testing.stage import Stage

BODY = b'[{"id":"evt_contract","type":"case.updated","case":"c-1"}]'
ODD_VALUES = (
    "", " ", "\x00", "\n", "a,b", "ü", "\u0663\u0664\u0665", "\ud800", "nan", "inf", "-1", "1e9", "0x10", "9" * 400,
    "v1,", "v1," + "A" * 40, "sha256=", "null", "A" * 100_000, "💣" * 50, "%00", "v1,!!!! v1,????", "=" * 64,
)  # fmt: skip


class Verifying(ContractBase):
    """What comes in is proven, or refused with `VerificationFailed`."""

    @proves("delivery_auth")
    def test_what_the_crm_signed_is_accepted(self, adapter: Adapter, signer: Signer) -> None:
        verified = adapter.verify(signer.sign(BODY))
        assert verified.signed_body is not adapter.capabilities.delivery_auth.is_hint

    @proves("delivery_auth")
    def test_what_the_emulated_crm_really_sends_is_accepted(self, stage: Stage) -> None:
        stage.open_case()
        deliveries = stage.crm.deliveries()
        assert deliveries, "the CRM tells of a new case"
        for delivery in deliveries:
            stage.adapter.verify(delivery)

    @proves("delivery_auth")
    def test_another_secret_is_refused(self, stage: Stage, signer: Signer) -> None:
        self._needs_proof(stage.adapter)
        _refused(stage.adapter, signer.renewed().sign(BODY))

    @proves("delivery_auth")
    def test_no_proof_at_all_is_refused(self, adapter: Adapter, signer: Signer) -> None:
        self._needs_proof(adapter)
        signed = signer.sign(BODY)
        bare = replace(signed, headers=_without(signed.headers, *signer.security_headers))
        if not signer.security_headers:
            bare = replace(bare, target=bare.target.rpartition("/")[0])
        _refused(adapter, bare)

    @proves("delivery_auth")
    def test_every_changed_bit_of_the_body_is_refused(self, adapter: Adapter, signer: Signer) -> None:
        self._needs_cover(adapter, "body")
        signed = signer.sign(BODY)
        for body in _flipped(BODY):
            _refused(adapter, replace(signed, body=body))
        for body in (b"", BODY + b" ", BODY[:-1], BODY * 2):
            _refused(adapter, replace(signed, body=body))

    @proves("delivery_auth")
    def test_every_changed_bit_of_a_security_header_is_refused(self, adapter: Adapter, signer: Signer) -> None:
        self._needs_signature(adapter)
        signed = signer.sign(BODY)
        for name in signer.security_headers:
            value = signed.header(name) or ""
            for changed in _flipped(value.encode("latin-1")):
                _refused(adapter, _with(signed, name, changed.decode("latin-1")))

    @proves("delivery_auth")
    def test_every_changed_bit_of_the_target_is_refused(self, adapter: Adapter, signer: Signer) -> None:
        self._needs_cover(adapter, "target")
        signed = signer.sign(BODY)
        for changed in _flipped(signed.target.encode("latin-1")):
            _refused(adapter, replace(signed, target=changed.decode("latin-1")))

    @proves("delivery_auth")
    def test_another_method_is_refused(self, adapter: Adapter, signer: Signer) -> None:
        self._needs_cover(adapter, "method")
        signed = signer.sign(BODY)
        for method in ("GET", "PUT", "DELETE", "POST "):
            _refused(adapter, replace(signed, method=method))

    @proves("delivery_auth")
    def test_a_changed_secret_in_the_path_is_refused(self, adapter: Adapter, signer: Signer) -> None:
        self.declared(adapter.capabilities.delivery_auth.kind is AuthKind.SHARED_SECRET, "a shared secret")
        signed = signer.sign(BODY)
        if signer.security_headers:
            pytest.skip("not declared: the secret stands in a header")
        start = signed.target.rindex("/") + 1
        for changed in _flipped(signed.target[start:].encode("latin-1")):
            _refused(adapter, replace(signed, target=signed.target[:start] + changed.decode("latin-1")))

    @proves("delivery_auth")
    def test_a_missing_header_is_refused(self, adapter: Adapter, signer: Signer) -> None:
        self._needs_headers(signer)
        signed = signer.sign(BODY)
        for name in signer.security_headers:
            _refused(adapter, replace(signed, headers=_without(signed.headers, name)))

    @proves("delivery_auth")
    def test_a_doubled_header_is_refused(self, adapter: Adapter, signer: Signer) -> None:
        self._needs_headers(signer)
        signed, other = signer.sign(BODY), signer.renewed().sign(b"{}")
        for name in signer.security_headers:
            good, bad = signed.header(name) or "", other.header(name) or ""
            for joined in (f"{good},{bad}", f"{bad}, {good}", f"{good}, {good}"):
                _refused(adapter, _with(signed, name, joined))
            twice = {**signed.headers, name.upper(): good, name.title(): bad, name.lower(): good}
            _refused(adapter, replace(signed, headers=twice))

    @proves("delivery_auth")
    def test_the_case_of_header_names_does_not_matter(self, adapter: Adapter, signer: Signer) -> None:
        signed = signer.sign(BODY)
        for change in (str.lower, str.upper, str.title):
            adapter.verify(replace(signed, headers={change(name): value for name, value in signed.headers.items()}))

    @proves("delivery_auth")
    @pytest.mark.parametrize("value", ODD_VALUES, ids=lambda value: ascii(value[:12]))
    def test_an_odd_header_is_refused_and_nothing_else(self, adapter: Adapter, signer: Signer, value: str) -> None:
        self._needs_headers(signer)
        for name in signer.security_headers:
            _refused(adapter, _with(signer.sign(BODY), name, value))

    @proves("delivery_auth")
    def test_a_stale_delivery_is_refused(self, adapter: Adapter, signer: Signer) -> None:
        self._refused_after(adapter, signer, timedelta(seconds=2))

    @proves("delivery_auth")
    def test_a_delivery_from_the_future_is_refused(self, adapter: Adapter, signer: Signer) -> None:
        self._refused_after(adapter, signer, -2 * signer.tolerance - timedelta(seconds=4))

    @proves("delivery_auth")
    def test_a_delivery_within_the_tolerance_is_accepted(self, adapter: Adapter, signer: Signer) -> None:
        signed = signer.sign(BODY)
        for away in (signer.tolerance - timedelta(seconds=2), timedelta(0)):
            adapter.verify(replace(signed, received_at=signed.received_at + away))

    @proves("delivery_auth")
    def test_the_signed_time_itself_is_covered(self, adapter: Adapter, signer: Signer) -> None:
        self._needs_cover(adapter, "time")
        header = signer.time_header
        assert header is not None, "what covers the time has a header that carries it"
        old = signer.sign(BODY, at=datetime.now(UTC) - signer.tolerance * 3)
        fresh = signer.sign(b"{}").header(header) or ""
        _refused(adapter, replace(_with(old, header, fresh), received_at=datetime.now(UTC)))

    @proves("delivery_auth")
    def test_secrets_rotate(self, stage: Stage, signer: Signer) -> None:
        self._needs_proof(stage.adapter)
        renewed = signer.renewed()
        both = stage.another(config=renewed.configured(stage.config, signer))
        for one in (renewed, signer):
            both.verify(one.sign(BODY))
        only = stage.another(config=renewed.configured(stage.config))
        only.verify(renewed.sign(BODY))
        _refused(only, signer.sign(BODY))

    @proves("delivery_auth")
    def test_secrets_are_compared_in_constant_time(
        self, adapter: Adapter, signer: Signer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self._needs_proof(adapter)
        compared = _watch_comparisons(monkeypatch)
        _refused(adapter, signer.renewed().sign(BODY))
        assert compared, "compare secrets and signatures with hmac.compare_digest, never with =="

    @proves("delivery_auth")
    def test_no_bytes_break_verification(self, adapter: Adapter, signer: Signer) -> None:
        self._needs_proof(adapter)
        names = st.sampled_from([*signer.security_headers, "content-type", "x-anything"])
        strange = st.builds(
            Delivery,
            method=st.sampled_from(["POST", "GET", "", "PO ST", "ü"]),
            target=st.text(max_size=80),
            headers=st.dictionaries(names, st.text(max_size=60), max_size=5),
            body=st.binary(max_size=200),
            received_at=st.datetimes(timezones=st.just(UTC)),
        )
        for_all(strange, lambda delivery: _refused(adapter, delivery), examples=80)

    @proves("panel")
    def test_the_agent_of_a_panel_call_is_who_the_crm_says(self, stage: Stage, signer: Signer) -> None:
        agent = stage.crm.agent("Zoë O'Hara & Co")
        signed = self._panel_call(stage.adapter, signer, agent)
        found = stage.adapter.identify(stage.adapter.verify(signed))
        assert (found.id, found.name) == (agent.id, agent.name)

    @proves("panel")
    def test_nobody_else_can_be_named_in_a_panel_call(self, stage: Stage, signer: Signer) -> None:
        signed = self._panel_call(stage.adapter, signer, stage.crm.agent("Ana Agent"))
        for changed in _flipped(signed.target.encode("latin-1")):
            _unidentified(stage.adapter, replace(signed, target=changed.decode("latin-1")))
        for changed in _flipped(signed.body):
            _unidentified(stage.adapter, replace(signed, body=changed))
        for name in signed.headers:
            if name.lower() not in ("content-type", "accept"):
                _unidentified(stage.adapter, replace(signed, headers=_without(signed.headers, name)))
        _unidentified(stage.adapter, replace(signed, target=signed.target + "&agent_id=agent_other"))

    @proves("delivery_auth", "panel")
    def test_a_webhook_is_never_the_word_of_an_agent(self, adapter: Adapter, signer: Signer) -> None:
        verified = adapter.verify(signer.sign(b'[{"agent_id": "a-1", "agent_name": "Ana", "agent": {"id": "a-1"}}]'))
        with pytest.raises(VerificationFailed):
            adapter.identify(verified)

    # --- inside ---------------------------------------------------------------------------------------------------

    def _panel_call(self, adapter: Adapter, signer: Signer, agent: Agent) -> Delivery:
        self.declared(adapter.capabilities.panel, "panel")
        signed = signer.sign_panel(agent)
        assert signed is not None, "an adapter with a panel is given panel calls by its signer"
        return signed

    def _refused_after(self, adapter: Adapter, signer: Signer, away: timedelta) -> None:
        self._needs_cover(adapter, "time")
        signed = signer.sign(BODY)
        _refused(adapter, replace(signed, received_at=signed.received_at + signer.tolerance + away))

    def _needs_proof(self, adapter: Adapter) -> None:
        self.declared(adapter.capabilities.delivery_auth.kind is not AuthKind.NONE, "any proof of the sender")

    def _needs_signature(self, adapter: Adapter) -> None:
        self.declared(adapter.capabilities.delivery_auth.kind is AuthKind.SIGNED, "signed deliveries")

    def _needs_headers(self, signer: Signer) -> None:
        self.declared(signer.security_headers, "a proof in headers")

    def _needs_cover(self, adapter: Adapter, part: str) -> None:
        self.declared(part in adapter.capabilities.delivery_auth.covers, f"a signature over the {part}")


def _refused(adapter: Adapter, delivery: Delivery) -> None:
    with pytest.raises(VerificationFailed):
        adapter.verify(delivery)


def _unidentified(adapter: Adapter, delivery: Delivery) -> None:
    with pytest.raises(VerificationFailed):
        adapter.identify(adapter.verify(delivery))


def _flipped(content: bytes) -> Iterator[bytes]:
    """Every version of it with one other bit."""
    for position in range(len(content)):
        for bit in range(8):
            changed = bytearray(content)
            changed[position] ^= 1 << bit
            yield bytes(changed)


def _with(delivery: Delivery, name: str, value: str) -> Delivery:
    return replace(delivery, headers={**_without(delivery.headers, name), name: value})


def _without(headers: Mapping[str, str], *names: str) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in names}


def _watch_comparisons(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count calls of `compare_digest`, under whatever name a module imported it."""
    true = hmac.compare_digest
    seen: list[int] = []

    def counting(first: Any, second: Any) -> bool:
        seen.append(1)
        return true(first, second)

    for module in list(sys.modules.values()):
        for name in _names_of(true, getattr(module, "__dict__", {})):
            monkeypatch.setattr(module, name, counting)
    return seen


def _names_of(function: Callable[..., Any], namespace: Mapping[str, Any]) -> list[str]:
    return [name for name, value in list(namespace.items()) if value is function]
