"""The CRM a demo plays: its process, the table of its connection, and where a person or a program finds it.

Any installed adapter that ships an emulator can be played: the emulator says itself how a connection to it has to be
configured. It owns no process; `demo.py` runs what is described here.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crm_bridge.cli.supervised import Child
from crm_bridge.contract import InvalidConfig
from crm_bridge.registry import adapter_names, declared_capabilities, emulator_command, emulator_names, emulator_page
from crm_bridge.settings import DEMO_CONNECTION
from crm_bridge.settings.secrets import is_secret_name

EMBEDDED = "mock"
"""The one whose connection is known beforehand."""

SAYS_WITHIN_S, STOPS_WITHIN_S = 60.0, 10.0
SECRETS_FOLDER = "crm-secrets"
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, kw_only=True)
class DemoCrm:
    """One emulated CRM of a demo: `name` of its adapter, where it listens, what it keeps, whom it tells."""

    name: str
    port: int
    data_dir: Path
    public_url: str
    faults: Path | None

    @property
    def has_desk(self) -> bool:
        """Whether agents have a page there."""
        return bool(emulator_page(self.name))

    @property
    def has_knowledge(self) -> bool:
        """Whether there may be articles: the assistant of the demo quotes nothing else."""
        declared = declared_capabilities(self.name).values()
        return not declared or any(one.knowledge for one in declared)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def page(self) -> str:
        """What a person opens, or a program calls."""
        return f"{self.base_url}{emulator_page(self.name)}"

    @property
    def secret_file(self) -> Path:
        """The secret of its webhooks."""
        return self.data_dir / "webhook.secret"

    def process(self) -> Child:
        """The emulator as a product of its own: its own process, port and state."""
        return Child(name="crm", argv=[*self._command(), "--seed"], env=dict(os.environ))

    def table(self) -> Mapping[str, Any]:
        """What only this adapter's connection has to be configured with, without a secret in it.

        Raises `InvalidConfig` when the emulator does not say it.
        """
        if self.name == EMBEDDED:
            return {"base_url": self.base_url, "webhook_secrets": [{"file": str(self.secret_file)}]}
        folder = self.data_dir / SECRETS_FOLDER
        folder.mkdir(mode=0o700, exist_ok=True)
        table = _kept_apart(self._asked(), folder)
        assert isinstance(table, Mapping)
        return table

    def _asked(self) -> Mapping[str, Any]:
        """The emulator, started for a moment, says how a connection to it is configured."""
        command = [*self._command(), "--no-webhooks", "--print-config"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:  # noqa: S603 - an argv list of our own
            try:
                line = _first_line(running)
            finally:
                _ended(running)
        try:
            config = json.loads(line)["config"]
        except (ValueError, LookupError, TypeError):
            config = None
        if not isinstance(config, Mapping):
            said = f" (it said: {line.strip()[:300]})" if line.strip() else ""
            expected = f"expected an emulator of {self.name!r} that starts and prints its connection's configuration"
            raise InvalidConfig("--crm", f"{expected}{said}; try: crm-bridge emulate {self.name} --port 0")
        return config

    def _command(self) -> Sequence[str]:
        return (
            *emulator_command(self.name),
            *("--port", str(self.port)),
            *("--data", str(self.data_dir / "crm")),
            *("--public-url", self.public_url),
            *("--connection", DEMO_CONNECTION),
            *("--secret-file", str(self.secret_file)),
            *(("--faults", str(self.faults.resolve())) if self.faults is not None else ()),
        )


def check_name(name: str) -> None:
    """Refuse, in a sentence, what cannot be played. Raises `InvalidConfig`."""
    played = ", ".join(emulator_names()) or "none"
    if name in emulator_names() and name in adapter_names():
        return
    if name in adapter_names():
        expected = f"expected an adapter with an emulated CRM to play, which {name} does not have; those that do"
    elif name in emulator_names():
        expected = f"expected an adapter to reach the emulated CRM {name!r}, and none of that name is installed; try"
    else:
        expected = "expected one of"
    raise InvalidConfig("--crm", f"{expected}: {played}")


def check_same(name: str, config_file: Path) -> None:
    """Refuse to mix two CRMs in one data directory. Raises `InvalidConfig`."""
    try:
        earlier = tomllib.loads(config_file.read_text("utf-8"))["connections"][DEMO_CONNECTION]["adapter"]
    except (OSError, ValueError, LookupError, TypeError):
        return
    if earlier != name:
        folder = config_file.parent
        expected = f"expected another directory: {folder} holds a demo of {earlier}"
        raise InvalidConfig("--data-dir", f"{expected}; choose one for {name}, or delete it to start anew")


def _first_line(running: subprocess.Popen[str]) -> str:
    """What it says once it listens, or why it ended; bounded in time."""
    assert running.stdout is not None
    assert running.stderr is not None
    timer = threading.Timer(SAYS_WITHIN_S, running.kill)
    timer.start()
    try:
        return running.stdout.readline() or running.stderr.read().strip().rpartition("\n")[2]
    finally:
        timer.cancel()


def _ended(running: subprocess.Popen[str]) -> None:
    running.terminate()
    try:
        running.wait(STOPS_WITHIN_S)
    except subprocess.TimeoutExpired:
        running.kill()


def _kept_apart(node: object, folder: Path, *, path: str = "", secret: bool = False) -> object:
    """The table with every secret in a file of its own (0600) and a reference to it in its place."""
    if isinstance(node, Mapping):
        return {
            str(key): _kept_apart(value, folder, path=f"{path}.{key}".lstrip("."), secret=is_secret_name(str(key)))
            for key, value in node.items()
            if value is not None
        }
    if isinstance(node, (list, tuple)):
        return [_kept_apart(one, folder, path=f"{path}.{index}", secret=secret) for index, one in enumerate(node)]
    if not (secret and isinstance(node, str)):
        return node
    file = folder / path
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as opened:
        opened.write(node)
    return {"file": str(file)}


def as_lines(table: Mapping[str, object]) -> str:
    """A table's keys and values as lines of a TOML file."""
    return "".join(f"{_pair(key, value)}\n" for key, value in table.items())


def _pair(key: object, value: object) -> str:
    name = str(key)
    return f"{name if _BARE_KEY.fullmatch(name) else _text(name)} = {_value(value)}"


def _value(value: object) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(_pair(key, one) for key, one in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, (bool, int, float)):
        return json.dumps(value)
    return _text(str(value))


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
