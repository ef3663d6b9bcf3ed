"""Rules of `parse` and `acknowledge`: hints about refs, keys that tell changes apart, and no bytes that break it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import strategies as st

from crm_bridge.contract import (
    Adapter,
    CaseRef,
    Delivery,
    Event,
    EventKind,
    ForeignRef,
    InvalidDelivery,
    Receipt,
    Response,
)
from crm_bridge.testing.base import ContractBase, for_all, proves
from crm_bridge.testing.handle import Signer
from crm_bridge.testing.samples import Sample, read_samples
from crm_bridge.testing.stage import ANA, Stage

PARSED_WITHIN_S = 2.0
_SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30) | st.just("x" * 500)
ANY_JSON = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
_NAMES = st.sampled_from(["a", "id", "case", "Id", "soapenv:Envelope", "sObject", "xsi:nil", "ü", "\u0661", ""])
_TEXTS = st.text(max_size=20) | st.sampled_from(
    ["&b;", "&#0;", "&#xD800;", "<![CDATA[x]]>", "<!-- x -->", "<?x y?>", "]]>"]
)
_HEADS = st.sampled_from(
    ["", '<?xml version="1.0"?>', '<?xml version="1.1"?>', '<?xml version="1.0" encoding="utf-16"?>', "<!DOCTYPE a>"]
)


def _element(name: str, attribute: str, value: str, inner: list[str]) -> str:
    return f'<{name} {attribute}="{value}">{"".join(inner)}</{name}>'


_ELEMENTS = st.recursive(
    _TEXTS, lambda inner: st.builds(_element, _NAMES, _NAMES, _TEXTS, st.lists(inner, max_size=3)), max_leaves=10
)
ANY_XML = st.builds(lambda head, body: (head + body).encode("utf-8", "replace").decode(), _HEADS, _ELEMENTS)
HOSTILE_BODIES = (
    b"", b" ", b"\x00", b"{", b"[", b'"', b"nul", b"NaN", b"-", b"\xff\xfe", b"\xef\xbb\xbf{}", b"[" * 100_000,
    b'{"a":' * 50_000, b"1" * 100_000, b'{"a":1,"a":2}', b'["\\ud800"]', b"[1e999]", b"a=1&b=2", b"\x1f\x8b\x08",
    b"<a/>", b'<!DOCTYPE a [<!ENTITY b "c"><!ENTITY d "&b;&b;&b;">]><a>&d;</a>', b"<a>" * 50_000,
    b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/hostname">]><a>&b;</a>',
    b'<?xml version="1.0" encoding="UTF-7"?><a/>',
)  # fmt: skip


class Parsing(ContractBase):
    """What a delivery says."""

    @proves("always")
    def test_what_happens_in_the_crm_is_heard(self, stage: Stage) -> None:
        case = stage.open_case()
        stage.heard()
        stage.crm.customer_writes(case, "One more thing.")
        events = stage.heard()
        assert case in self._cases(stage, events), "a customer's message is told with a ref that leads to its case"

    @proves("always")
    def test_every_kind_of_change_is_heard_for_its_case(self, stage: Stage) -> None:
        case, other = stage.open_case(), stage.open_case()
        stage.heard()
        for change in (
            lambda: stage.crm.customer_writes(case, "Hello?"),
            lambda: stage.crm.agent_writes(case, "We are looking into it.", agent=ANA),
            lambda: stage.crm.close(case),
            lambda: stage.crm.reopen(case),
        ):
            change()
            assert case in self._cases(stage, stage.heard())
        if stage.crm.merge(case, other):
            assert self._cases(stage, stage.heard()) & {case, other}

    @proves("always")
    def test_recorded_samples_are_understood(self, adapter: Adapter, signer: Signer) -> None:
        samples = list(read_samples(self.samples))
        if not samples:
            pytest.skip("no samples: record deliveries under samples/<case>/{headers.json,body}")
        for sample in samples:
            _check_sample(adapter, sample, signer)

    @proves("always")
    def test_an_unknown_kind_is_kept(self, adapter: Adapter, signer: Signer) -> None:
        unknown = [one for one in read_samples(self.samples) if one.name.startswith("unknown-")]
        if not unknown:
            pytest.skip("no sample named unknown-…")
        for sample in unknown:
            assert adapter.parse(adapter.verify(sample.signed(signer))), f"{sample.name}: kept, not dropped"

    @proves("always")
    def test_a_redelivery_has_the_same_keys(self, stage: Stage, signer: Signer) -> None:
        case = stage.open_case()
        stage.crm.customer_writes(case, "Hello?")
        for delivery in stage.crm.deliveries():
            again = signer.sign(delivery.body, at=delivery.received_at + timedelta(seconds=90))
            first, second = (stage.adapter.parse(stage.adapter.verify(one)) for one in (delivery, again))
            assert [event.key for event in first] == [event.key for event in second]

    @proves("always")
    def test_two_changes_in_one_second_have_different_keys(self, stage: Stage) -> None:
        case = stage.open_case()
        stage.heard()
        stage.crm.clock.stop_at(stage.crm.clock.now().replace(microsecond=0))
        deliveries: list[Delivery] = []
        for _ in range(3):
            stage.crm.customer_writes(case, "Hello?")
            deliveries += stage.crm.deliveries()
            stage.crm.change(case)
            deliveries += stage.crm.deliveries()
        keys = [
            event.key for one in deliveries for event in stage.adapter.parse(stage.adapter.verify(one)) if event.key
        ]
        assert len(set(keys)) == len(keys), "one key for two changes: the second would be taken for a redelivery"

    @proves("always")
    def test_every_event_of_a_batch_is_parsed(self, stage: Stage) -> None:
        cases = {stage.open_case() for _ in range(4)}
        assert self._cases(stage, stage.heard()) >= cases

    @proves("always")
    @pytest.mark.parametrize("body", HOSTILE_BODIES, ids=lambda body: ascii(body[:12]))
    def test_hostile_bytes_are_refused_or_understood(self, adapter: Adapter, signer: Signer, body: bytes) -> None:
        began = time.monotonic()
        _understood_or_refused(adapter, signer, body)
        assert time.monotonic() - began < PARSED_WITHIN_S

    @proves("always")
    def test_no_json_breaks_parsing(self, adapter: Adapter, signer: Signer) -> None:
        def check(value: Any) -> None:
            _understood_or_refused(adapter, signer, json.dumps(value).encode())

        for_all(ANY_JSON, check, examples=60)

    @proves("always")
    def test_no_value_in_a_real_delivery_breaks_parsing(self, stage: Stage, signer: Signer) -> None:
        stage.open_case()
        documents = [document for one in stage.crm.deliveries() if (document := _json_of(one.body)) is not None]
        documents += [document for one in read_samples(self.samples) if (document := _json_of(one.body)) is not None]
        if not documents:
            pytest.skip("not declared: JSON deliveries")

        def check(choice: tuple[int, int, Any]) -> None:
            document, number, value = choice
            changed = _replaced(documents[document % len(documents)], number, value)
            _understood_or_refused(stage.adapter, signer, json.dumps(changed).encode())

        for_all(st.tuples(st.integers(0, 99), st.integers(0, 60), ANY_JSON), check, examples=60)

    @proves("always")
    def test_no_bytes_break_parsing(self, adapter: Adapter, signer: Signer) -> None:
        for_all(st.binary(max_size=300), lambda body: _understood_or_refused(adapter, signer, body), examples=50)

    @proves("always")
    def test_no_xml_breaks_parsing(self, adapter: Adapter, signer: Signer) -> None:
        for_all(ANY_XML, lambda text: _understood_or_refused(adapter, signer, text.encode()), examples=50)

    @proves("always")
    def test_no_damage_to_a_real_delivery_breaks_parsing(self, stage: Stage, signer: Signer) -> None:
        stage.open_case()
        bodies = [one.body for one in stage.crm.deliveries()] + [one.body for one in read_samples(self.samples)]

        def check(choice: tuple[int, int, int, bytes]) -> None:
            number, begin, length, instead = choice
            body = bodies[number % len(bodies)]
            begin %= len(body) + 1
            _understood_or_refused(stage.adapter, signer, body[:begin] + instead + body[begin + length :])

        spots = st.integers(0, 4_000)
        for_all(st.tuples(st.integers(0, 99), spots, st.integers(0, 60), st.binary(max_size=12)), check, examples=60)

    @proves("delivery_auth")
    def test_a_hint_is_only_a_ref(self, stage: Stage) -> None:
        self.declared(stage.capabilities.delivery_auth.is_hint, "hints")
        case = stage.open_case()
        stage.crm.customer_writes(case, "Hello?")
        deliveries = stage.crm.deliveries()
        assert deliveries
        for delivery in deliveries:
            verified = stage.adapter.verify(delivery)
            assert not verified.signed_body, "a body nobody signed must not pass as signed"
            for event in stage.adapter.parse(verified):
                assert event.kind is not EventKind.DRAFT_CHANGED, "a hint is never a decision"
                assert not event.raw, "nothing but a ref is taken from a hint"
                assert event.occurred_at is None, "nothing but a ref is taken from a hint"

    @proves("always")
    def test_the_crm_gets_an_answer_it_takes_for_yes(self, adapter: Adapter, signer: Signer) -> None:
        for receipt in (Receipt(events=3, new=0), Receipt(events=1, new=1), None):
            answer = adapter.acknowledge(signer.sign(b"[]"), receipt)
            assert isinstance(answer, Response)
            assert 200 <= answer.status < 300

    # --- inside ---------------------------------------------------------------------------------------------------

    def _cases(self, stage: Stage, events: list[Event]) -> set[CaseRef]:
        """The cases events are about, resolved as often as the CRM wants."""
        found = set()
        for event in events:
            if isinstance(event.about, CaseRef):
                found.add(event.about)
                continue
            for _ in range(5):
                if isinstance(known := stage.adapter.resolve(event.about), CaseRef):
                    found.add(known)
                    break
        return found


def _check_sample(adapter: Adapter, sample: Sample, signer: Signer) -> None:
    verified = adapter.verify(sample.signed(signer))
    if sample.name.startswith("invalid-"):
        with pytest.raises(InvalidDelivery):
            adapter.parse(verified)
        return
    events = list(adapter.parse(verified))
    assert events, f"{sample.name}: no event"
    if sample.name.startswith("batch-"):
        assert len(events) > 1, f"{sample.name}: more than one event"
    if verified.signed_body:
        unknown = [event for event in events if event.kind is EventKind.UNKNOWN]
        assert bool(unknown) is sample.name.startswith("unknown-"), f"{sample.name}: {len(unknown)} of unknown kind"


def _understood_or_refused(adapter: Adapter, signer: Signer, body: bytes) -> None:
    verified = adapter.verify(signer.sign(body))
    try:
        events = list(adapter.parse(verified))
    except InvalidDelivery:
        return
    for event in events:
        assert isinstance(event, Event)
        assert isinstance(event.about, CaseRef | ForeignRef)
        assert event.key is None or event.key


def _json_of(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None


def _replaced(document: Any, number: int, value: Any) -> Any:
    """The document with its `number`-th part (over and over) replaced."""
    paths = list(_paths(document))
    path = paths[number % len(paths)]
    return _put(document, path, value)


def _paths(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    parts = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for name, part in parts:
        yield from _paths(part, (*path, name))


def _put(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    copy = dict(document) if isinstance(document, dict) else list(document)
    copy[path[0]] = _put(document[path[0]], path[1:], value)
    return copy
