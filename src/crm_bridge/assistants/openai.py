"""Any server that speaks the OpenAI chat protocol, through the openai SDK. Needs the extra `ai`.

Asks for structured output, and reads JSON with or without it. A refusal and a content filter are abstentions, a cut
answer is an error; what the answer may contain is checked in `answers`, like everybody's.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx2
from openai import APIConnectionError, OpenAI, OpenAIError, omit

from crm_bridge.assistants.answers import abstention, named_errors, proposal, unusable
from crm_bridge.assistants.checking import CHECK, MAX_CHECK_S, tried
from crm_bridge.assistants.openai_transport import BoundedTransport
from crm_bridge.assistants.prompt import Prompt, build_prompt
from crm_bridge.assistants.protocol import Abstention, Proposal, Usage
from crm_bridge.assistants.schemas import (
    CompletionSchema,
    ModelAnswerSchema,
    OpenAIConfigSchema,
    model_answer_json_schema,
)
from crm_bridge.contract import Diagnosis, InvalidDelivery, Network, OutboundError, Permanent
from crm_bridge.core.masking import MaskedContext
from crm_bridge.kit.http import Effect, HttpClient
from crm_bridge.kit.parsing import parse_json
from crm_bridge.kit.schemas import load_config, load_payload

MAX_ANSWER_BYTES = 1_000_000
_OFFICIAL_HOST = "https://api.openai.com/"
_SCHEMA_REFUSED = frozenset({"http_400", "http_422"})
_MIN_SECOND_TRY_S = 1.0
_NO_LIST = frozenset({"http_404", "http_405", "http_501", "oversize"})
"""How a compatible server says that it has no list of models, or too long a one."""

_COMPLETION = CompletionSchema()
_MODEL_ANSWER = ModelAnswerSchema()


@dataclass(frozen=True, kw_only=True, slots=True)
class Prices:
    """Per million tokens, in one currency of the operator's choice; None = not known."""

    input_per_million: float | None = None
    output_per_million: float | None = None

    def cost(self, input_tokens: int, output_tokens: int) -> float | None:
        if self.input_per_million is None or self.output_per_million is None:
            return None
        return (input_tokens * self.input_per_million + output_tokens * self.output_per_million) / 1_000_000


@dataclass(frozen=True, kw_only=True)
class OpenAIAssistant:
    """Asks one model of one server. `timeout_s` bounds a draft, a second try without structured output included."""

    sdk: OpenAI
    client: HttpClient
    model: str
    timeout_s: float
    limits: Mapping[str, Any]
    structured_output: str
    prices: Prices

    def draft(self, context: MaskedContext) -> Proposal | Abstention:
        """See `Assistant.draft`."""
        ends_at = time.monotonic() + self.timeout_s
        prompt = build_prompt(context)
        with named_errors():
            body = self._ask(prompt, _response_format(self.structured_output, prompt), ends_at)
        completion = _loaded(_COMPLETION, body, "assistant_schema")
        return self._read(completion, prompt, context)

    def diagnose(self) -> Diagnosis:
        """See `Checkable`: the list of its models, which costs nothing."""
        return tried(self._look)

    def _look(self) -> Diagnosis:
        asked_within = min(self.timeout_s, MAX_CHECK_S)
        try:
            self.client.call("assistant_models", "GET", "/models", effect=Effect.READ, total_s=asked_within)
        except Permanent as error:
            if error.code not in _NO_LIST:
                raise
            detail = f"It was reached. It lists no models ({error.code}), so credentials and model are unproven."
            return Diagnosis(check=CHECK, status="warning", detail=detail, action="Look at the first draft.")
        detail = f"It was reached and takes our key. Whether it drafts with {self.model} shows at the first draft."
        return Diagnosis(check=CHECK, status="ok", detail=detail)

    def _ask(self, prompt: Prompt, response_format: Any, ends_at: float) -> bytes:
        """The raw completion. A server that does not know structured output is asked once more without it."""
        try:
            return self._complete(prompt, response_format, ends_at)
        except Permanent as error:
            no_second_try = response_format is omit or time.monotonic() + _MIN_SECOND_TRY_S > ends_at
            if error.code not in _SCHEMA_REFUSED or no_second_try:
                raise
        return self._complete(prompt, omit, ends_at)

    def _complete(self, prompt: Prompt, response_format: Any, ends_at: float) -> bytes:
        try:
            response = self.sdk.chat.completions.with_raw_response.create(
                model=self.model,
                messages=[{"role": "system", "content": prompt.system}, {"role": "user", "content": prompt.user}],
                response_format=response_format,
                timeout=max(0.001, ends_at - time.monotonic()),
                **self.limits,
            )
        except APIConnectionError as error:
            # The transport raises errors of the contract; the SDK wraps whatever it meets.
            if isinstance(error.__cause__, OutboundError):
                raise error.__cause__ from None
            raise unusable("assistant_sdk", type(error.__cause__ or error).__name__) from error
        except OpenAIError as error:
            raise unusable("assistant_sdk", type(error).__name__) from error
        return response.content

    def _read(self, completion: Mapping[str, Any], prompt: Prompt, context: MaskedContext) -> Proposal | Abstention:
        choice = completion["choices"][0]
        usage = self._usage(completion)
        message, finish = choice["message"], choice["finish_reason"]
        if message["refusal"]:
            return abstention("refused", message["refusal"], usage=usage)
        if finish == "content_filter":
            return abstention("refused", "The provider's content filter stopped the answer.", usage=usage)
        if finish == "length":
            raise unusable("assistant_truncated", "it was cut off; allow more max_output_tokens")
        if not message["content"]:
            raise unusable("assistant_empty", "it has no content")
        answer = _loaded(_MODEL_ANSWER, _only_json(message["content"]), "assistant_schema")
        return _judged(answer, prompt, context, usage)

    def _usage(self, completion: Mapping[str, Any]) -> Usage | None:
        used = completion["usage"]
        if used is None:
            return None
        tokens_in, tokens_out = used["prompt_tokens"], used["completion_tokens"]
        return Usage(
            model=(completion["model"] or self.model)[:200],
            input_tokens=tokens_in,
            output_tokens=tokens_out,
            cost=self.prices.cost(tokens_in, tokens_out),
        )


def build_openai(config: Mapping[str, Any], network: Network) -> OpenAIAssistant:
    """Raises `InvalidConfig` with the path inside the `[assistant]` table."""
    loaded = load_config(OpenAIConfigSchema(), config)
    base_url, api_key = loaded["base_url"], loaded["api_key"]
    client = HttpClient(
        base_url,
        network=network,
        total_s=loaded["timeout_s"],
        max_bytes=MAX_ANSWER_BYTES,
        headers={"Authorization": f"Bearer {api_key}"} if api_key else {},
    )
    transport = BoundedTransport(client, base_url)
    sdk = OpenAI(
        # The key is the client's own header; the SDK only insists on one.
        api_key="unused",
        base_url=base_url,
        max_retries=0,
        timeout=loaded["timeout_s"],
        http_client=httpx2.Client(transport=transport, trust_env=False, follow_redirects=False),
    )
    return OpenAIAssistant(
        sdk=sdk,
        client=client,
        model=loaded["model"],
        timeout_s=loaded["timeout_s"],
        limits=_limits(base_url, loaded["max_output_tokens"], loaded["temperature"]),
        structured_output=loaded["structured_output"],
        prices=Prices(
            input_per_million=loaded["input_price_per_million"], output_per_million=loaded["output_price_per_million"]
        ),
    )


def _limits(base_url: str, max_output_tokens: int, temperature: float | None) -> dict[str, Any]:
    # OpenAI's newer models refuse the old name, many compatible servers do not know the new one.
    name = "max_completion_tokens" if f"{base_url}/".startswith(_OFFICIAL_HOST) else "max_tokens"
    chosen: dict[str, Any] = {name: max_output_tokens}
    return chosen if temperature is None else chosen | {"temperature": temperature}


def _response_format(kind: str, prompt: Prompt) -> Any:
    if kind == "off":
        return omit
    if kind == "json_object":
        return {"type": "json_object"}
    schema = model_answer_json_schema(list(prompt.sources))
    return {"type": "json_schema", "json_schema": {"name": "reply_draft", "strict": True, "schema": schema}}


def _loaded(schema: CompletionSchema | ModelAnswerSchema, body: bytes, code: str) -> dict[str, Any]:
    try:
        loaded: dict[str, Any] = load_payload(schema, parse_json(body, max_bytes=MAX_ANSWER_BYTES))
    except InvalidDelivery as error:
        raise unusable(code, str(error)) from None
    return loaded


def _only_json(content: str) -> bytes:
    """The JSON object in a model's answer: all of it, or what stands between the first and the last brace."""
    first, last = content.find("{"), content.rfind("}")
    if first < 0 or last < first:
        raise unusable("assistant_not_json", "it holds no JSON object")
    return content[first : last + 1].encode("utf-8", "replace")


def _judged(
    answer: Mapping[str, Any], prompt: Prompt, context: MaskedContext, usage: Usage | None
) -> Proposal | Abstention:
    if answer["outcome"] == "abstain":
        return abstention(answer["reason"] or "", answer["detail"] or "", usage=usage)
    if any(alias not in prompt.sources for alias in answer["sources"]):
        # A model that cites what it was never given made it up: nothing of its text can be trusted.
        return abstention("unsure", "The model cited a source it was not given.", usage=usage)
    named = [prompt.sources[alias] for alias in answer["sources"]]
    return proposal(context, text=answer["text"] or "", sources=named, language=answer["language"], usage=usage)
