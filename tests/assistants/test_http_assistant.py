"""Your own assistant: what is sent, what is believed, and what each way of failing is called. In bounded time."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from crm_bridge.assistants import Abstention, Assistant, Proposal, build_assistant
from crm_bridge.contract import Delivery, Network, OutboundError, Permanent, Reauthenticate, Retry
from crm_bridge.core.masking import MaskedContext
from crm_bridge.kit.signing import new_secret, sign_webhook, verify_webhook

MakeContext = Callable[..., MaskedContext]
SECRET = new_secret()
OTHER_SECRET = new_secret()


def assistant_at(base_url: str, **changes: Any) -> Assistant:
    config = {"kind": "http", "base_url": base_url, "secret": SECRET, "timeout_s": 5}
    return build_assistant(config | changes, Network())


@dataclass
class Scripted:
    """A server that verifies like a good one and answers as it is told. `seen` holds the requests."""

    server: HTTPServer
    seen: list[Request] = field(default_factory=list)

    @property
    def url(self) -> str:
        return self.server.url_for("").rstrip("/")

    def answers(
        self,
        reply: dict[str, Any] | bytes,
        *,
        secret: str | None = SECRET,
        message_id: str | None = None,
        late: timedelta = timedelta(0),
        content_type: str = "application/json",
        echo_context: bool = True,
    ) -> Scripted:
        def handle(request: Request) -> Response:
            self.seen.append(request)
            asked = json.loads(request.get_data())
            about = {"version": 1, "context_id": asked["context_id"]} if echo_context else {}
            body = reply if isinstance(reply, bytes) else json.dumps(about | reply).encode()
            headers = {}
            if secret:
                answered = message_id or request.headers["webhook-id"]
                headers = sign_webhook(secret, message_id=answered, at=datetime.now(UTC) - late, body=body)
            return Response(body, 200, headers, content_type=content_type)

        self.server.expect_request("/drafts", method="POST").respond_with_handler(handle)
        return self


@pytest.fixture
def scripted(httpserver: HTTPServer) -> Scripted:
    return Scripted(server=httpserver)


def error_of(assistant: Assistant, context: MaskedContext) -> OutboundError:
    with pytest.raises(OutboundError) as caught:
        assistant.draft(context)
    assert type(caught.value) in (Retry, Reauthenticate, Permanent)
    return caught.value


GOOD = {"text": "Hello,\n\nopen the sign-in page.", "sources": ["a-password"], "language": "en-GB"}


def test_a_good_answer_is_a_proposal(scripted: Scripted, make_context: MakeContext) -> None:
    answer = assistant_at(scripted.answers(GOOD).url).draft(make_context())
    assert answer == Proposal(text="Hello,\n\nopen the sign-in page.", sources=("a-password",), language="en")


def test_an_abstention_keeps_its_reason_and_one_bounded_line(scripted: Scripted, make_context: MakeContext) -> None:
    scripted.answers({"abstain": {"reason": "unsure", "detail": "two articles\nsay opposite things " * 100}})
    answer = assistant_at(scripted.url).draft(make_context())
    assert isinstance(answer, Abstention)
    assert answer.reason == "unsure"
    assert len(answer.detail) <= 500
    assert "\n" not in answer.detail


def test_the_request_holds_what_the_page_says(scripted: Scripted, make_context: MakeContext) -> None:
    context = make_context(customer="[NAME_1]", instruction="shorter", previous_text="Hello,")
    assistant_at(scripted.answers(GOOD).url).draft(context)
    sent = json.loads(scripted.seen[0].get_data())
    assert set(sent) == {
        *("version", "context_id", "subject", "channel", "language", "customer", "question", "messages", "fields"),
        *("sources", "instruction", "previous_text", "voice"),
    }
    assert sent["version"] == 1
    assert sent["context_id"] == context.context_id
    assert sent["fields"] == {"product": "Lamp"}
    assert sent["messages"][0].keys() == {"id", "author", "text", "sent_at", "internal"}
    assert sent["sources"][0].keys() == {"id", "title", "url", "excerpt", "language"}


def test_a_long_thread_is_sent_without_its_oldest_messages(scripted: Scripted, make_context: MakeContext) -> None:
    context = make_context("x" * 10_000)
    many = tuple(context.messages[0] for _ in range(90))
    assistant_at(scripted.answers(GOOD).url).draft(make_context(messages=many))
    assert len(json.loads(scripted.seen[0].get_data())["messages"]) == 20


def test_the_request_is_signed_by_the_first_secret(scripted: Scripted, make_context: MakeContext) -> None:
    assistant_at(scripted.answers(GOOD).url, secret=[SECRET, OTHER_SECRET]).draft(make_context())
    request = scripted.seen[0]
    delivery = Delivery(
        method="POST",
        target="/drafts",
        headers=dict(request.headers),
        body=request.get_data(),
        received_at=datetime.now(UTC),
    )
    assert verify_webhook(delivery, [SECRET]) == request.headers["webhook-id"]


def test_a_rotated_secret_still_verifies(scripted: Scripted, make_context: MakeContext) -> None:
    scripted.answers(GOOD, secret=OTHER_SECRET)
    assert isinstance(assistant_at(scripted.url, secret=[SECRET, OTHER_SECRET]).draft(make_context()), Proposal)


@pytest.mark.parametrize(
    "forged",
    [{"secret": OTHER_SECRET}, {"secret": None}, {"late": timedelta(minutes=6)}, {"late": timedelta(minutes=-6)}],
    ids=["wrong secret", "unsigned", "stale", "from the future"],
)
def test_an_answer_without_our_signature_needs_an_admin(
    scripted: Scripted, make_context: MakeContext, forged: dict[str, Any]
) -> None:
    error = error_of(assistant_at(scripted.answers(GOOD, **forged).url), make_context())
    assert isinstance(error, Reauthenticate)
    assert error.code == "assistant_signature"


def test_an_answer_signed_for_another_request_is_not_used(scripted: Scripted, make_context: MakeContext) -> None:
    error = error_of(assistant_at(scripted.answers(GOOD, message_id="msg_before").url), make_context())
    assert (type(error), error.code) == (Permanent, "assistant_other_request")


ABOUT = {"version": 1, "context_id": "c0ffee"}


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (GOOD | {"context_id": "another"}, "assistant_other_context"),
        (GOOD | {"sources": ["a-password", "a-invented"]}, "assistant_unknown_source"),
        (GOOD | {"text": "  \n\x00"}, "assistant_empty"),
        (GOOD | {"text": "x" * 20_001}, "assistant_schema"),
        (GOOD | {"text": 7}, "assistant_schema"),
        (GOOD | {"text": None}, "assistant_schema"),
        (GOOD | {"version": 2}, "assistant_schema"),
        (GOOD | {"sources": "a-password"}, "assistant_schema"),
        (GOOD | {"abstain": {"reason": "unsure"}}, "assistant_schema"),
        ({"abstain": {"reason": "bored"}}, "assistant_schema"),
        ({}, "assistant_schema"),
        (b"[]", "assistant_schema"),
        (b"null", "assistant_schema"),
        (b"{", "assistant_schema"),
        (b"", "assistant_schema"),
        (b'{"version": NaN}', "assistant_schema"),
        (b"\xff\xfe", "assistant_schema"),
        (b"[" * 100_000, "assistant_schema"),
    ],
)
def test_a_signed_answer_that_breaks_the_protocol_is_permanent(
    scripted: Scripted, make_context: MakeContext, reply: dict[str, Any] | bytes, code: str
) -> None:
    error = error_of(assistant_at(scripted.answers(reply).url), make_context())
    assert (type(error), error.code) == (Permanent, code)


def test_an_error_quotes_nothing_of_the_answer(scripted: Scripted, make_context: MakeContext) -> None:
    scripted.answers(GOOD | {"sources": ["SECRET-MARK"], "version": "SECRET-MARK"})
    assert "SECRET-MARK" not in str(error_of(assistant_at(scripted.url), make_context()))


@pytest.mark.parametrize(
    ("status", "headers", "kind", "code"),
    [
        (401, {}, Reauthenticate, "http_401"),
        (403, {}, Permanent, "http_403"),
        (404, {}, Permanent, "http_404"),
        (409, {}, Permanent, "http_409"),
        (422, {}, Permanent, "http_422"),
        (429, {"Retry-After": "17"}, Retry, "http_429"),
        (500, {}, Retry, "http_500"),
        (503, {"Retry-After": "17"}, Retry, "http_503"),
        (302, {"Location": "https://evil.example/drafts"}, Retry, "redirected"),
    ],
)
def test_each_status_has_its_named_error(
    httpserver: HTTPServer,
    make_context: MakeContext,
    status: int,
    headers: dict[str, str],
    kind: type[OutboundError],
    code: str,
) -> None:
    httpserver.expect_request("/drafts").respond_with_data("no", status=status, headers=headers)
    error = error_of(assistant_at(httpserver.url_for("")), make_context())
    assert (type(error), error.code) == (kind, code)
    if "Retry-After" in headers:
        assert isinstance(error, Retry)
        assert error.after == timedelta(seconds=17)


def test_a_web_page_is_no_answer(httpserver: HTTPServer, make_context: MakeContext) -> None:
    httpserver.expect_request("/drafts").respond_with_data("<h1>Log in</h1>", content_type="text/html")
    error = error_of(assistant_at(httpserver.url_for("")), make_context())
    assert (type(error), error.code) == (Retry, "html_answer")


def test_a_megabyte_is_refused_without_holding_up_other_cases(scripted: Scripted, make_context: MakeContext) -> None:
    error = error_of(assistant_at(scripted.answers(b" " * 1_000_000).url), make_context())
    assert (type(error), error.code) == (Permanent, "oversize")


@pytest.mark.parametrize("habit", ["hang", "drip", "drip_headers"])
def test_a_slow_server_costs_no_more_than_the_timeout(
    bad_server: Callable[[str], str], make_context: MakeContext, habit: str
) -> None:
    begun = time.monotonic()
    error = error_of(assistant_at(bad_server(habit), timeout_s=1), make_context())
    assert (type(error), error.code) == (Retry, "timeout")
    assert time.monotonic() - begun < 3


def test_a_cut_answer_is_worth_another_try(bad_server: Callable[[str], str], make_context: MakeContext) -> None:
    assert isinstance(error_of(assistant_at(bad_server("cut"), timeout_s=2), make_context()), Retry)


def test_nobody_listening_is_worth_another_try(closed_url: str, make_context: MakeContext) -> None:
    assert error_of(assistant_at(closed_url), make_context()).code == "connect_failed"


def test_neither_secret_nor_case_is_in_the_repr() -> None:
    shown = repr(assistant_at("http://127.0.0.1:1"))
    assert SECRET not in shown
