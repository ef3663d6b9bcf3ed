"""The forms in which an answer can go wrong, as a table: what is played on the wire, and what may be raised for it.

It owns the forms; the rules over them are `errors.py` and `send.py`. Each form says whether it can strike before the
CRM did what it was asked, after it, or both: a caller that cannot tell must not guess.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache

from crm_bridge.contract import Ambiguous, Conflict, OutboundError, Permanent, Reauthenticate, Retry
from crm_bridge.testing.wire import Struck, reset

BOMB_BYTES = 64_000_000
ENDLESS_BYTES = 200_000_000
DRIP_S = 0.05
HTML = b"<!doctype html><html><body>Please sign in</body></html>"
Errors = tuple[type[OutboundError], ...]
_CUT = b'{"id": "'
Answering = Callable[[Struck, bytes], object]


@dataclass(frozen=True, kw_only=True)
class Form:
    """One way to go wrong. `play` gets the struck request and the true answer (empty before the effect).

    `reading` and `writing`: what may be raised there; a sending request may raise `Ambiguous` besides. `before` and
    `after`: whether the CRM may have had no chance to do it, or may have done it all the same. `slow`: takes the
    caller's whole deadline.
    """

    name: str
    play: Answering = field(repr=False)
    reading: Errors = (Retry,)
    writing: Errors = (Retry,)
    before: bool = True
    after: bool = False
    slow: bool = False

    def strike_before(self, struck: Struck) -> None:
        """Instead of passing the request on."""
        self.play(struck, b"")

    def strike_after(self, struck: Struck) -> None:
        """After the CRM did what it was asked."""
        self.play(struck, struck.forward())


def answer(status: int, body: bytes = b"", **headers: str) -> bytes:
    """A whole HTTP answer; header names with `_` for `-`, JSON unless `Content_Type` says otherwise."""
    given = {"Content-Type": "application/json", "Content-Length": str(len(body)), "Connection": "close"}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"HTTP/1.1 {status} Contract", *(f"{name}: {value}" for name, value in given.items())]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def of_status(
    status: int, *, body: Mapping[str, object] | None = None, headers: Mapping[str, str] | None = None
) -> Answering:
    """Answer this status and nothing else."""
    document = json.dumps(body if body is not None else {"message": "refused"}).encode()
    made = answer(status, document, **(headers or {}))
    return lambda struck, _: struck.send(made)


def _body(content: bytes, content_type: str = "application/json") -> Answering:
    return lambda struck, _: struck.send(answer(200, content, Content_Type=content_type))


def _truncated(struck: Struck, _: bytes) -> None:
    struck.send(answer(200, _CUT, Content_Length="1000"))


def _truncated_chunk(struck: Struck, _: bytes) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    struck.send(head + b"400\r\n" + _CUT)


def _reset(struck: Struck, _: bytes) -> None:
    reset(struck.client)


def _hang(struck: Struck, _: bytes) -> None:
    struck.client.settimeout(0.1)
    while not struck.wire.closing.is_set():
        try:
            if not struck.client.recv(1024):
                return
        except TimeoutError:
            continue
        except OSError:
            return


def _drip(struck: Struck, _: bytes) -> None:
    alive = struck.send(answer(200, b"", Content_Length="100000"))
    while alive and not struck.wire.closing.wait(DRIP_S):
        alive = struck.send(b" ")


def _endless(struck: Struck, _: bytes) -> None:
    struck.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n[")
    part = b'"more",' * 8_000
    while struck.send(part) and struck.wire.sent_bytes < ENDLESS_BYTES and not struck.wire.closing.is_set():
        pass


def _bomb(struck: Struck, _: bytes) -> None:
    struck.send(answer(200, _zipped_zeros(), Content_Encoding="gzip"))


@cache
def _zipped_zeros() -> bytes:
    return gzip.compress(b"0" * BOMB_BYTES, compresslevel=1)


_BROKEN: Errors = (Retry, Permanent)
"""An answer that makes no sense: waiting and giving up are both honest for it."""

_STATUSES = (
    Form(name="429", play=of_status(429)),
    Form(name="429-seconds", play=of_status(429, headers={"Retry-After": "60"})),
    Form(name="429-date", play=of_status(429, headers={"Retry-After": "Wed, 21 Oct 2099 07:28:00 GMT"})),
    Form(name="429-nonsense", play=of_status(429, headers={"Retry-After": "in a minute; 1e9"})),
    Form(name="429-for-ever", play=of_status(429, headers={"Retry-After": "1000000000"})),
    Form(name="500", play=of_status(500), after=True),
    Form(name="502", play=of_status(502), after=True),
    Form(name="503-seconds", play=of_status(503, headers={"Retry-After": "30"}), after=True),
    Form(name="504", play=of_status(504), after=True),
    Form(name="401", play=of_status(401), reading=(Reauthenticate,), writing=(Reauthenticate,)),
    Form(name="403", play=of_status(403), reading=(Permanent, Reauthenticate), writing=(Permanent, Reauthenticate)),
    Form(name="400", play=of_status(400), reading=(Permanent,), writing=(Permanent,)),
    Form(name="404", play=of_status(404), reading=(Permanent,), writing=(Permanent, Conflict)),
    Form(name="410", play=of_status(410), reading=(Permanent,), writing=(Permanent, Conflict)),
    Form(name="409", play=of_status(409), reading=_BROKEN, writing=(Conflict, Retry, Permanent)),
    Form(name="412", play=of_status(412), reading=_BROKEN, writing=(Conflict, Retry, Permanent)),
)
_ANSWERS = (
    Form(name="html-200", play=_body(HTML, "text/html; charset=utf-8"), reading=_BROKEN, writing=_BROKEN, after=True),
    Form(name="html-as-json", play=_body(HTML), reading=_BROKEN, writing=_BROKEN, after=True),
    Form(name="html-503", play=lambda s, _: s.send(answer(503, HTML, Content_Type="text/html")), after=True),
    Form(name="empty-200", play=_body(b""), reading=_BROKEN, writing=_BROKEN, after=True),
    Form(name="null-200", play=_body(b"null"), reading=_BROKEN, writing=_BROKEN, after=True),
    Form(name="list-200", play=_body(b"[[]]"), reading=_BROKEN, writing=_BROKEN, after=True),
    Form(name="object-200", play=_body(b'{"unexpected": true}'), reading=_BROKEN, writing=_BROKEN, after=True),
    Form(name="truncated", play=_truncated, reading=_BROKEN, writing=_BROKEN, after=True),
    Form(name="truncated-chunk", play=_truncated_chunk, reading=_BROKEN, writing=_BROKEN, after=True),
    Form(name="reset", play=_reset, after=True),
    Form(name="bomb", play=_bomb, reading=_BROKEN, writing=_BROKEN, after=True),
    Form(name="endless", play=_endless, reading=_BROKEN, writing=_BROKEN, after=True),
    Form(name="drip", play=_drip, after=True, slow=True),
    Form(name="hang", play=_hang, after=True, slow=True),
)

FORMS: tuple[Form, ...] = _STATUSES + _ANSWERS
CERTAINLY_NOT: Errors = (Retry, Reauthenticate, Permanent, Conflict)
"""What a sending call may only raise when nothing went out."""
UNCERTAIN: Errors = (Ambiguous,)
