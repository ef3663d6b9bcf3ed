"""How waitress reads a request: broken ones are answered, long bodies are counted and not kept, slow ones end.

Owns what is kept of bytes that nobody has looked at yet. What a body may hold is the application's to say.
"""

from __future__ import annotations

from waitress.buffers import OverflowableBuffer
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.utilities import RequestEntityTooLarge

from crm_bridge.web.deliveries import MAX_BODY_BYTES

MAX_KEPT_BYTES = MAX_BODY_BYTES + 1
"""One more than the application takes: of a longer body only the length matters."""


class _KeptBuffer(OverflowableBuffer):  # type: ignore[misc]  # waitress is untyped
    """The beginning of a body, and how long all of it is."""

    dropped = 0

    def __len__(self) -> int:
        return int(super().__len__()) + self.dropped

    def append(self, data: bytes) -> None:
        kept = data[: max(0, MAX_KEPT_BYTES - super().__len__())]
        self.dropped += len(data) - len(kept)
        if kept:
            super().append(kept)


class RequestParser(HTTPRequestParser):  # type: ignore[misc]  # waitress is untyped
    """waitress' parser, without its blind spots: what it cannot parse is a 400, never an end without an answer."""

    completed = False

    def parse_header(self, header_plus: bytes) -> None:
        try:
            super().parse_header(header_plus)
        except ValueError:
            # A target no URL can be made of, or a length of more digits than Python reads.
            raise ParsingError("Request line or length is invalid") from None
        if self.body_rcv is not None:
            self.body_rcv.buf = _KeptBuffer(self.adj.inbuf_overflow)

    def received(self, data: bytes) -> int:
        consumed = int(super().received(data))
        announced = getattr(self.body_rcv, "chunk_remainder", 0)
        if not self.completed and self.body_bytes_received + announced >= self.adj.max_request_body_size:
            # No need to wait for a chunk that is too large by its own word.
            self.error = RequestEntityTooLarge("a chunk exceeds what is read of a body")
            self.completed = True
        return consumed


class Reception(HTTPChannel):  # type: ignore[misc]  # waitress is untyped
    """One client. A request has to be complete within waitress' `channel_timeout` of its first bytes."""

    parser_class = RequestParser
    last_activity = 0.0

    def handle_read(self) -> None:
        begun, before = self.request, self.last_activity
        super().handle_read()
        if begun is not None and self.request is begun:
            # More of the same is no activity: else a byte now and then would keep a socket and a body for ever.
            self.last_activity = before
