"""Logging: one JSON object a line on stderr (or lines for people), for our loggers and every library's alike.

Owns the format and what must never be in it: secrets, bodies and customer text by key, secrets by shape, control
characters that could forge a line. An exception is logged as its class and where it was raised, never its text,
because texts of foreign exceptions quote what they choked on. Decides nothing about what is worth logging.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
import traceback
from collections.abc import Mapping, MutableMapping
from types import TracebackType
from typing import Any, Literal, TextIO

import structlog

MAX_VALUE_CHARS = 2_000
MAX_ITEMS = 50
MAX_DEPTH = 5
MAX_FRAMES = 8

_HIDDEN = "***"
_SECRET_KEY = re.compile(
    r"secret|token|passw|passphrase|authori[sz]ation|cookie|credential|signature|api_?key|private_?key"
    r"|encryption_?key|session_?id",
    re.IGNORECASE,
)
_CONTENT_KEY = re.compile(
    r"^(?:body|raw|payload|html|text|content|subject|prompt|excerpt|customer|email|request_body|response_body)$",
    re.IGNORECASE,
)
_SECRET_SHAPES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"whsec_[A-Za-z0-9+/_=-]+"), f"whsec_{_HIDDEN}"),
    (re.compile(r"\b(bearer|basic)\s+[^\s,;\"']+", re.IGNORECASE), rf"\1 {_HIDDEN}"),
    (re.compile(r"(://[^/\s:@]{0,200}:)[^/\s@]{1,200}@"), rf"\1{_HIDDEN}@"),
    (re.compile(r"(/webhooks/[^/\s?\"']+/)[^/\s?\"']+"), rf"\1{_HIDDEN}"),
    (
        re.compile(r"((?:access_|refresh_)?(?:token|secret|signature|password|api_?key)=)[^&\s\"']+", re.IGNORECASE),
        rf"\1{_HIDDEN}",
    ),
)
# Control characters, line separators, bidirectional overrides, zero-width and tag characters, lone surrogates.
_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
    "\U000e0000-\U000e007f]"
)
_QUIET = ("alembic", "hpack", "httpcore", "httpx", "procrastinate", "psycopg", "sqlalchemy", "urllib3", "waitress")
"""Libraries whose INFO or DEBUG lines hold parameters, URLs or one line per job: only their warnings are wanted."""

LogFormat = Literal["json", "console"]


def configure_logging(
    log_format: LogFormat = "json", *, stream: TextIO | None = None, level: int = logging.INFO
) -> None:
    """Send everything logged in this process to `stream` (default stderr). May be called again; the last one wins."""
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        describe_exception,
        clean,
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _RENDERERS[log_format]],
        keep_exc_info=False,  # described above; kept, its text would be printed after the line
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
    # Its warnings are one per queued request, and its errors quote what a stranger sent.
    logging.getLogger("waitress").setLevel(logging.CRITICAL)
    logging.captureWarnings(capture=True)
    # A library's log call with wrong arguments would otherwise print them, as plain text.
    logging.raiseExceptions = False
    sys.excepthook = _uncaught
    threading.excepthook = lambda args: _uncaught(args.exc_type, args.exc_value, args.exc_traceback)


def describe_exception(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace `exc_info` by `error` (its class and those of its causes) and `raised_at` (innermost frames last)."""
    info = event.pop("exc_info", None)
    event.pop("stack_info", None)
    error = info[1] if isinstance(info, tuple) else info if isinstance(info, BaseException) else None
    if info is True:
        error = sys.exc_info()[1]
    if error is not None:
        event["error"] = _classes(error)
        event["raised_at"] = [
            f"{frame.filename.rpartition('/')[2]}:{frame.lineno}:{frame.name}"
            for frame in traceback.extract_tb(error.__traceback__)[-MAX_FRAMES:]
        ]
    return event


def _classes(error: BaseException) -> str:
    names: list[str] = []
    while error is not None and len(names) < MAX_DEPTH:
        names.append(type(error).__name__)
        following = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        if following is None:
            break
        error = following
    return " < ".join(names)


def clean(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Hide what is secret or content by its key, neutralise and bound every value that stays."""
    return {_text(str(key)): _cleaned(str(key), value, depth=0) for key, value in event.items()}


_STRUCTLOG_S_OWN = frozenset({"_record", "_from_structlog"})
"""Removed before anything is rendered."""


def _cleaned(key: str, value: Any, *, depth: int) -> Any:
    if depth == 0 and key in _STRUCTLOG_S_OWN:
        return value
    if _CONTENT_KEY.match(key) or (_SECRET_KEY.search(key) and not isinstance(value, (bool, int, float))):
        return _HIDDEN
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    if depth >= MAX_DEPTH:
        return "…"
    if isinstance(value, Mapping):
        pairs = list(value.items())[:MAX_ITEMS]
        return {_text(str(inner)): _cleaned(str(inner), content, depth=depth + 1) for inner, content in pairs}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_cleaned(key, item, depth=depth + 1) for item in list(value)[:MAX_ITEMS]]
    return _text(type(value).__name__ if isinstance(value, BaseException) else str(value))


def _text(text: str) -> str:
    text = text if len(text) <= MAX_VALUE_CHARS else f"{text[:MAX_VALUE_CHARS]}…"
    for shape, replacement in _SECRET_SHAPES:
        text = shape.sub(replacement, text)
    return _UNPRINTABLE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _uncaught(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    """The last resort of a thread or the process: still one object a line, still without the error's text."""
    if issubclass(kind, (KeyboardInterrupt, SystemExit)):
        return
    structlog.get_logger("crm_bridge").critical("uncaught_exception", exc_info=(kind, error, trace))


_RENDERERS: dict[LogFormat, structlog.types.Processor] = {
    "json": structlog.processors.JSONRenderer(sort_keys=True),
    "console": structlog.dev.ConsoleRenderer(colors=False),
}
