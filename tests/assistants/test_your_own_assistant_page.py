"""The page on writing your own assistant: its server runs as it stands there, its config loads, its limits are true."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from crm_bridge.assistants import Abstention, Proposal, build_assistant
from crm_bridge.assistants.http import MAX_ANSWER_BYTES, MAX_MESSAGES_CHARS, PATH, request_json
from crm_bridge.assistants.protocol import ABSTENTION_REASONS, MAX_DETAIL_CHARS, MAX_TEXT_CHARS
from crm_bridge.contract import Network, Reauthenticate
from crm_bridge.core.masking import MaskedContext
from crm_bridge.kit.signing import new_secret

PAGE = (Path(__file__).parents[2] / "docs/howto/your-own-assistant.md").read_text(encoding="utf-8")
SECRET = new_secret()
START_WITHIN_S = 30


def block(language: str) -> str:
    found = re.findall(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL)
    assert isinstance(found[-1], str)
    return found[-1]


@pytest.fixture(scope="module")
def example_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of the page's server, run as a program of its own."""
    script = tmp_path_factory.mktemp("page") / "server.py"
    script.write_text(block("python"), encoding="utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, str(script)],
        env={**os.environ, "ASSISTANT_SECRET": SECRET, "PORT": str(port)},
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(port, server)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(10)


def wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    give_up_at = time.monotonic() + START_WITHIN_S
    while time.monotonic() < give_up_at and server.poll() is None:
        with socket.socket() as probe:
            probe.settimeout(0.2)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    pytest.fail("the server of the page did not start")


def test_the_example_server_answers_with_its_source(
    example_url: str, make_context: Callable[..., MaskedContext]
) -> None:
    context = make_context()
    answer = build_assistant({"kind": "http", "base_url": example_url, "secret": SECRET}, Network()).draft(context)
    assert isinstance(answer, Proposal)
    assert answer.sources == (context.sources[0].id,)
    assert context.sources[0].excerpt in answer.text


def test_the_example_server_abstains_without_sources(
    example_url: str, make_context: Callable[..., MaskedContext]
) -> None:
    assistant = build_assistant({"kind": "http", "base_url": example_url, "secret": SECRET}, Network())
    answer = assistant.draft(replace(make_context(), sources=()))
    assert answer == Abstention(reason="no_source", detail="No article was found.")


def test_the_example_server_refuses_another_secret(
    example_url: str, make_context: Callable[..., MaskedContext]
) -> None:
    stranger = build_assistant({"kind": "http", "base_url": example_url, "secret": new_secret()}, Network())
    with pytest.raises(Reauthenticate):
        stranger.draft(make_context())


def test_the_example_is_as_short_as_its_heading_says() -> None:
    assert len([line for line in block("python").splitlines() if line.strip()]) <= 35


def test_the_configuration_on_the_page_is_accepted() -> None:
    table = tomllib.loads(block("toml"))["assistant"]
    assert urlsplit(table["base_url"]).scheme == "https"
    build_assistant(table | {"secret": SECRET}, Network())


def test_every_field_of_the_request_is_on_the_page(make_context: Callable[..., MaskedContext]) -> None:
    assert all(f"`{name}`" in PAGE for name in request_json(make_context()))


def test_names_and_limits_on_the_page_are_those_of_the_code() -> None:
    assert f"POST {{base_url}}{PATH}" in PAGE
    assert all(f"`{reason}`" in PAGE for reason in ABSTENTION_REASONS)
    for number in (MAX_TEXT_CHARS, MAX_DETAIL_CHARS, MAX_MESSAGES_CHARS):
        assert f"{number:,} characters" in PAGE
    assert f"{MAX_ANSWER_BYTES // 1000} kB" in PAGE
