"""The assistant that is yours: one signed HTTP request a draft, one signed response. Protocol version 1.

The wire is documented in docs/howto/your-own-assistant.md. Owns the request's form and the checks of the response;
bounds and failures of the call are the client's.
"""

from __future__ import annotations

import json
import secrets as random_source
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from crm_bridge.assistants.answers import abstention, named_errors, proposal, unusable
from crm_bridge.assistants.checking import CHECK, MAX_CHECK_S, TEST_CONTEXT, tried
from crm_bridge.assistants.prompt import newest_that_fit
from crm_bridge.assistants.protocol import Abstention, Proposal
from crm_bridge.assistants.schemas import PROTOCOL_VERSION, AnswerSchema, HttpConfigSchema
from crm_bridge.contract import Delivery, Diagnosis, InvalidDelivery, Network, Reauthenticate, VerificationFailed
from crm_bridge.core.masking import MaskedContext
from crm_bridge.kit.http import Answer, Effect, HttpClient
from crm_bridge.kit.parsing import parse_json
from crm_bridge.kit.schemas import load_config, load_payload
from crm_bridge.kit.signing import sign_webhook, verify_webhook

PATH = "/drafts"
MAX_ANSWER_BYTES = 256_000
MAX_MESSAGES_CHARS = 200_000
"""Of all messages of a request, the newest first."""

_ANSWER = AnswerSchema()


@dataclass(frozen=True, kw_only=True)
class HttpAssistant:
    """Asks a server of your own. `secrets`: the first signs, every one verifies."""

    client: HttpClient
    secrets: Sequence[str] = field(repr=False)
    timeout_s: float

    def draft(self, context: MaskedContext) -> Proposal | Abstention:
        """See `Assistant.draft`. `Reauthenticate` also when the response is not signed by our secret."""
        return self._ask(context, self.timeout_s)

    def diagnose(self) -> Diagnosis:
        """See `Checkable`: a signed test question, and whether its answer is signed by the same secret."""

        def call() -> Diagnosis:
            self._ask(TEST_CONTEXT, min(self.timeout_s, MAX_CHECK_S))
            detail = "It answers a test question, and both sides take each other's signature."
            return Diagnosis(check=CHECK, status="ok", detail=detail)

        return tried(call)

    def _ask(self, context: MaskedContext, total_s: float) -> Proposal | Abstention:
        message_id = f"msg_{random_source.token_hex(16)}"
        body = json.dumps(request_json(context), ensure_ascii=False).encode("utf-8", "replace")
        signed = sign_webhook(self.secrets[0], message_id=message_id, at=datetime.now(UTC), body=body)
        with named_errors():
            # Nothing happens over there that a second request would double: the client may try again.
            answer = self.client.call(
                "assistant_draft",
                "POST",
                PATH,
                effect=Effect.IDEMPOTENT,
                body=body,
                headers={"Content-Type": "application/json", **signed},
                total_s=total_s,
            )
        self._check_signature(answer, message_id)
        return _read(answer.body, context)

    def _check_signature(self, answer: Answer, message_id: str) -> None:
        """Signed by our secret, now, as the answer to this very request."""
        received = Delivery(
            method="POST", target=PATH, headers=answer.headers, body=answer.body, received_at=datetime.now(UTC)
        )
        try:
            answered = verify_webhook(received, self.secrets)
        except VerificationFailed as error:
            raise Reauthenticate(
                f"the assistant's response is not signed as agreed ({error.reason})", code="assistant_signature"
            ) from None
        if answered != message_id:
            raise unusable("assistant_other_request", "it is signed for another request")


def build_http(config: Mapping[str, Any], network: Network) -> HttpAssistant:
    """Raises `InvalidConfig` with the path inside the `[assistant]` table."""
    loaded = load_config(HttpConfigSchema(), config)
    client = HttpClient(loaded["base_url"], network=network, total_s=loaded["timeout_s"], max_bytes=MAX_ANSWER_BYTES)
    return HttpAssistant(client=client, secrets=tuple(loaded["secret"]), timeout_s=loaded["timeout_s"])


def request_json(context: MaskedContext) -> dict[str, Any]:
    """The request of protocol version 1. Fields are only ever added."""
    return {
        "version": PROTOCOL_VERSION,
        "context_id": context.context_id,
        "subject": context.subject,
        "channel": context.channel,
        "language": context.language,
        "customer": context.customer,
        "question": context.question,
        "messages": [
            {
                "id": message.id,
                "author": message.author,
                "text": text,
                "sent_at": message.sent_at.isoformat(),
                "internal": message.internal,
            }
            for message, text in newest_that_fit(context.messages, total_chars=MAX_MESSAGES_CHARS)
        ],
        "fields": dict(context.fields),
        "sources": [
            {
                "id": source.id,
                "title": source.title,
                "url": source.url,
                "excerpt": source.excerpt,
                "language": source.language,
            }
            for source in context.sources
        ],
        "instruction": context.instruction,
        "previous_text": context.previous_text,
        "voice": {
            "greeting": context.voice.greeting,
            "closing": context.voice.closing,
            "signer": context.voice.signer,
        },
    }


def _read(body: bytes, context: MaskedContext) -> Proposal | Abstention:
    try:
        answer = load_payload(_ANSWER, parse_json(body, max_bytes=MAX_ANSWER_BYTES))
    except InvalidDelivery as error:
        raise unusable("assistant_schema", str(error)) from None
    if answer["context_id"] != context.context_id:
        raise unusable("assistant_other_context", "it is about another context")
    if answer["abstain"] is not None:
        return abstention(answer["abstain"]["reason"], answer["abstain"]["detail"])
    return proposal(context, text=answer["text"], sources=answer["sources"], language=answer["language"])
