"""Any OpenAI-compatible server: what is asked of it, what of its answers is used, and what each failure is called."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from crm_bridge.assistants import Abstention, Assistant, Proposal, build_assistant
from crm_bridge.contract import Network, OutboundError, Permanent, Reauthenticate, Retry
from crm_bridge.core.masking import MaskedContext

pytest.importorskip("openai")

MakeContext = Callable[..., MaskedContext]
PATH = "/v1/chat/completions"
REPLY = {"outcome": "reply", "text": "Open the sign-in page.", "sources": ["S1"], "language": "en", "reason": "none"}


def assistant_at(base_url: str, **changes: Any) -> Assistant:
    config = {"kind": "openai", "base_url": base_url, "model": "small", "api_key": "sk-test", "timeout_s": 5}
    return build_assistant(config | changes, Network())


def completion(content: str | None, *, finish: str = "stop", **message: Any) -> dict[str, Any]:
    return {
        "id": "c1",
        "object": "chat.completion",
        "created": 1,
        "model": "small-1",
        "choices": [
            {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": content} | message}
        ],
        "usage": {"prompt_tokens": 1000, "completion_tokens": 200, "total_tokens": 1200},
    }


def saying(answer: dict[str, Any]) -> dict[str, Any]:
    return completion(json.dumps(answer))


@pytest.fixture
def url(httpserver: HTTPServer) -> str:
    return httpserver.url_for("/v1")


def error_of(assistant: Assistant, context: MaskedContext) -> OutboundError:
    with pytest.raises(OutboundError) as caught:
        assistant.draft(context)
    assert type(caught.value) in (Retry, Reauthenticate, Permanent)
    return caught.value


def body_of(httpserver: HTTPServer, index: int = 0) -> dict[str, Any]:
    asked: dict[str, Any] = json.loads(httpserver.log[index][0].get_data())
    return asked


def test_a_good_answer_is_a_proposal_with_its_usage(
    httpserver: HTTPServer, url: str, make_context: MakeContext
) -> None:
    httpserver.expect_request(PATH).respond_with_json(saying(REPLY))
    prices = {"input_price_per_million": 1.0, "output_price_per_million": 5.0}
    answer = assistant_at(url, **prices).draft(make_context())
    assert isinstance(answer, Proposal)
    assert (answer.text, answer.sources, answer.language) == ("Open the sign-in page.", ("a-password",), "en")
    assert answer.usage is not None
    assert (answer.usage.model, answer.usage.input_tokens, answer.usage.output_tokens) == ("small-1", 1000, 200)
    assert answer.usage.cost == pytest.approx(0.002)


def test_structured_output_is_asked_for_and_can_only_name_given_sources(
    httpserver: HTTPServer, url: str, make_context: MakeContext
) -> None:
    httpserver.expect_request(PATH).respond_with_json(saying(REPLY))
    context = make_context()
    assistant_at(url).draft(context)
    asked = body_of(httpserver)
    schema = asked["response_format"]["json_schema"]
    assert schema["strict"] is True
    assert schema["schema"]["properties"]["sources"]["items"]["enum"] == ["S1", "S2", "S3", "S4"]
    assert asked["model"] == "small"
    assert asked["max_tokens"] == 2_000
    assert [message["role"] for message in asked["messages"]] == ["system", "user"]
    assert context.question in asked["messages"][1]["content"]
    assert context.question not in asked["messages"][0]["content"]


def test_a_server_that_refuses_structured_output_is_asked_once_more_without(
    httpserver: HTTPServer, url: str, make_context: MakeContext
) -> None:
    def handle(request: Request) -> Response:
        if "response_format" in json.loads(request.get_data()):
            return Response('{"error": {"message": "unknown field"}}', 400, content_type="application/json")
        return Response(json.dumps(saying(REPLY)), 200, content_type="application/json")

    httpserver.expect_request(PATH).respond_with_handler(handle)
    assert isinstance(assistant_at(url).draft(make_context()), Proposal)
    assert len(httpserver.log) == 2


def test_a_bad_request_without_structured_output_is_not_repeated(
    httpserver: HTTPServer, url: str, make_context: MakeContext
) -> None:
    httpserver.expect_request(PATH).respond_with_json({"error": {}}, status=400)
    error = error_of(assistant_at(url, structured_output="off"), make_context())
    assert (type(error), error.code) == (Permanent, "http_400")
    assert len(httpserver.log) == 1


@pytest.mark.parametrize(
    "content",
    ["```json\n{}\n```", "Sure! Here it is:\n{}\nAnything else?", "\ufeff  {}"],
    ids=["code fence", "chatter", "byte order mark"],
)
def test_json_is_found_in_what_a_model_says_around_it(
    httpserver: HTTPServer, url: str, make_context: MakeContext, content: str
) -> None:
    said = content.replace("{}", json.dumps(REPLY))
    httpserver.expect_request(PATH).respond_with_json(completion(said))
    assert isinstance(assistant_at(url).draft(make_context()), Proposal)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (saying({"outcome": "abstain", "reason": "no_source", "detail": "Nothing fits."}), "no_source"),
        (saying({"outcome": "abstain", "reason": "because", "detail": None}), "unsure"),
        (completion(None, refusal="I cannot help with that."), "refused"),
        (completion(None, finish="content_filter"), "refused"),
        (saying(REPLY | {"sources": ["S1", "S9"]}), "unsure"),
        (saying(REPLY | {"sources": ["a-password"]}), "unsure"),
    ],
    ids=["no source", "unknown reason", "refusal", "content filter", "invented source", "real id it never saw"],
)
def test_an_honest_or_refused_answer_is_an_abstention(
    httpserver: HTTPServer, url: str, make_context: MakeContext, answer: dict[str, Any], reason: str
) -> None:
    httpserver.expect_request(PATH).respond_with_json(answer)
    abstained = assistant_at(url).draft(make_context())
    assert isinstance(abstained, Abstention)
    assert abstained.reason == reason
    assert abstained.usage is not None


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (completion('{"outcome": "reply", "text": "Hel', finish="length"), "assistant_truncated"),
        (completion("Just reset it, my friend."), "assistant_not_json"),
        (completion('{"outcome": }'), "assistant_schema"),
        (completion(None), "assistant_empty"),
        (saying(REPLY | {"text": ""}), "assistant_empty"),
        (saying(REPLY | {"text": ["a", "list"]}), "assistant_schema"),
        (saying({"text": "no outcome"}), "assistant_schema"),
        ({"choices": []}, "assistant_schema"),
        ({"choices": "many"}, "assistant_schema"),
        ({"error": {"message": "but status 200"}}, "assistant_schema"),
        ([], "assistant_schema"),
    ],
)
def test_an_answer_that_cannot_be_used_is_permanent(
    httpserver: HTTPServer, url: str, make_context: MakeContext, answer: Any, code: str
) -> None:
    httpserver.expect_request(PATH).respond_with_json(answer)
    error = error_of(assistant_at(url), make_context())
    assert (type(error), error.code) == (Permanent, code)


def test_bytes_that_are_no_json_are_permanent(httpserver: HTTPServer, url: str, make_context: MakeContext) -> None:
    httpserver.expect_request(PATH).respond_with_data(b'{"choices": [', content_type="application/json")
    error = error_of(assistant_at(url), make_context())
    assert (type(error), error.code) == (Permanent, "assistant_schema")


@pytest.mark.parametrize(
    ("status", "headers", "kind"),
    [
        (401, {}, Reauthenticate),
        (403, {}, Permanent),
        (404, {}, Permanent),
        (429, {"Retry-After": "9"}, Retry),
        (500, {}, Retry),
        (503, {"Retry-After": "9"}, Retry),
        (307, {"Location": "https://evil.example/v1/chat/completions"}, Retry),
    ],
)
def test_each_status_has_its_named_error_and_the_sdk_repeats_nothing(
    httpserver: HTTPServer,
    url: str,
    make_context: MakeContext,
    status: int,
    headers: dict[str, str],
    kind: type[OutboundError],
) -> None:
    httpserver.expect_request(PATH).respond_with_json({"error": {}}, status=status, headers=headers)
    error = error_of(assistant_at(url), make_context())
    assert type(error) is kind
    assert len(httpserver.log) == 1


def test_a_web_page_is_no_answer(httpserver: HTTPServer, url: str, make_context: MakeContext) -> None:
    httpserver.expect_request(PATH).respond_with_data("<h1>Log in</h1>", content_type="text/html")
    assert error_of(assistant_at(url), make_context()).code == "html_answer"


def test_more_than_a_megabyte_is_refused(httpserver: HTTPServer, url: str, make_context: MakeContext) -> None:
    httpserver.expect_request(PATH).respond_with_json(saying(REPLY | {"detail": "x" * 1_000_000}))
    error = error_of(assistant_at(url), make_context())
    assert (type(error), error.code) == (Permanent, "oversize")


@pytest.mark.parametrize("habit", ["hang", "drip", "drip_headers"])
def test_a_slow_server_costs_no_more_than_the_timeout(
    bad_server: Callable[[str], str], make_context: MakeContext, habit: str
) -> None:
    assistant = assistant_at(bad_server(habit), timeout_s=1)
    begun = time.monotonic()
    error = error_of(assistant, make_context())
    assert (type(error), error.code) == (Retry, "timeout")
    assert time.monotonic() - begun < 3


def test_nothing_of_the_environment_reaches_the_server(
    httpserver: HTTPServer, url: str, make_context: MakeContext, monkeypatch: pytest.MonkeyPatch, closed_url: str
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, closed_url)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-environment")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-environment")
    monkeypatch.setenv("OPENAI_BASE_URL", closed_url)
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Leak: environment")
    httpserver.expect_request(PATH).respond_with_json(saying(REPLY))
    assert isinstance(assistant_at(url).draft(make_context()), Proposal)
    headers = httpserver.log[0][0].headers
    assert headers["Authorization"] == "Bearer sk-test"
    assert "environment" not in str(headers)


def test_a_server_without_a_key_gets_none(httpserver: HTTPServer, url: str, make_context: MakeContext) -> None:
    httpserver.expect_request(PATH).respond_with_json(saying(REPLY))
    local = build_assistant({"kind": "openai", "base_url": url, "model": "small"}, Network())
    assert isinstance(local.draft(make_context()), Proposal)
    assert "Authorization" not in httpserver.log[0][0].headers


def test_the_operators_proxy_is_used(httpserver: HTTPServer, make_context: MakeContext) -> None:
    httpserver.expect_request(PATH).respond_with_json(saying(REPLY))
    config = {"kind": "openai", "base_url": "http://models.example.test/v1", "model": "small"}
    through_proxy = build_assistant(config, Network(proxy=httpserver.url_for("")))
    assert isinstance(through_proxy.draft(make_context()), Proposal)
    assert httpserver.log[0][0].host == "models.example.test"
