from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
import textwrap
import threading
import unicodedata
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from crm_bridge.telemetry import MAX_VALUE_CHARS, configure_logging

CANARY = "c4n4ry"


def keep_process_state(monkeypatch: pytest.MonkeyPatch) -> None:
    """What `configure_logging` changes for the whole process is put back after the test."""
    for owner, name in ((sys, "excepthook"), (threading, "excepthook"), (logging, "raiseExceptions")):
        monkeypatch.setattr(owner, name, getattr(owner, name))


@pytest.fixture
def logs(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    keep_process_state(monkeypatch)
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    stream = io.StringIO()
    configure_logging("json", stream=stream)
    yield stream
    root.handlers[:], root.level = before[0], before[1]
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_one_object_with_time_level_and_name(logs: io.StringIO) -> None:
    structlog.get_logger("crm_bridge.x").info("draft_written", connection="demo", revision=3)
    (line,) = lines(logs)
    assert (line["event"], line["connection"], line["revision"]) == ("draft_written", "demo", 3)
    assert (line["level"], line["logger"]) == ("info", "crm_bridge.x")
    assert line["at"].endswith("Z")


def test_libraries_speak_through_it_and_chatty_ones_only_warn(logs: io.StringIO) -> None:
    logging.getLogger("some.library").warning("told %s", "this")
    for chatty in ("urllib3.connectionpool", "sqlalchemy.engine", "waitress.queue", "procrastinate.worker"):
        logging.getLogger(chatty).info("parameters: %s", CANARY)
    (line,) = lines(logs)
    assert line["event"] == "told this"


@pytest.mark.parametrize(
    "key",
    ["password", "client_secret", "Authorization", "webhook-signature", "api_key", "apikey", "access_token", "Cookie",
     "encryption_keys", "private_key", "body", "html", "text", "payload", "subject"],
)  # fmt: skip
def test_secrets_and_content_are_hidden_by_their_key_at_any_depth(logs: io.StringIO, key: str) -> None:
    log = structlog.get_logger()
    log.info("a", **{key: CANARY})
    log.info("b", headers={"x": [{key: [CANARY]}]})
    assert CANARY not in logs.getvalue()


@pytest.mark.parametrize(
    "value",
    [
        f"postgresql://user:{CANARY}@host/db",
        f"Bearer {CANARY}",
        f"whsec_{CANARY}",
        f"/webhooks/demo/{CANARY}?x=1",
        f"https://x.example/a?access_token={CANARY}&b=1",
    ],
)
def test_secrets_are_hidden_by_their_shape_too(logs: io.StringIO, value: str) -> None:
    structlog.get_logger().info("a", url=value)
    logging.getLogger("lib").warning("failed: %s", value)
    assert CANARY not in logs.getvalue()


def test_an_exception_is_its_class_and_place_never_its_text(logs: io.StringIO) -> None:
    try:
        try:
            raise KeyError(CANARY)
        except KeyError as error:
            raise ValueError(CANARY) from error
    except ValueError:
        structlog.get_logger().exception("failed")
        logging.getLogger("lib").exception("failed too")
        structlog.get_logger().info("passed_along", error=ValueError(CANARY))
    first, second, third = lines(logs)
    assert first["error"] == second["error"] == "ValueError < KeyError"
    assert first["raised_at"][0].startswith("test_telemetry.py:")
    assert third["error"] == "ValueError"
    assert CANARY not in logs.getvalue()


def test_bytes_are_counted_and_long_values_cut(logs: io.StringIO) -> None:
    structlog.get_logger().info("a", data=b"12345", long="x" * 100_000, many=list(range(10_000)))
    (line,) = lines(logs)
    assert line["data"] == "5 bytes"
    assert len(line["long"]) == MAX_VALUE_CHARS + 1
    assert len(line["many"]) == 50


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=st.text(max_size=50), key=st.text(max_size=10))
@example(value="\x1f", key="_")
def test_no_value_forges_a_line_or_hides_in_one(logs: io.StringIO, value: str, key: str) -> None:
    logs.seek(0)
    logs.truncate()
    structlog.get_logger().info("event_name", values={key: value}, plain=value)
    text = logs.getvalue()
    assert text.count("\n") == 1
    line = json.loads(text)
    assert line["event"] == "event_name"
    said = line["plain"] + "".join(line["values"]) + "".join(map(str, line["values"].values()))
    assert not [mark for mark in said if unicodedata.category(mark) in {"Cc", "Cs", "Zl", "Zp"}]
    assert not set(said) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\ufeff")


def test_the_console_format_neutralises_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    keep_process_state(monkeypatch)
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    stream = io.StringIO()
    try:
        configure_logging("console", stream=stream)
        structlog.get_logger().info("a", name="x\n\x1b[31mforged\u202e", password=CANARY)
    finally:
        root.handlers[:], root.level = before[0], before[1]
    assert stream.getvalue().count("\n") == 1
    assert "\x1b" not in stream.getvalue()
    assert CANARY not in stream.getvalue()


def test_what_nobody_caught_and_a_broken_log_call_are_still_one_object_a_line() -> None:
    script = textwrap.dedent(
        f"""
        import logging, threading, warnings
        from crm_bridge.telemetry import configure_logging
        configure_logging()
        logging.getLogger("lib").warning("%s %s", "{CANARY}")
        warnings.warn("old")
        def fail(): raise ValueError("{CANARY}")
        thread = threading.Thread(target=fail); thread.start(); thread.join()
        fail()
        """
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert CANARY not in ended.stderr
    events = [json.loads(line)["event"] for line in ended.stderr.splitlines()]
    assert events[-2:] == ["uncaught_exception", "uncaught_exception"]
