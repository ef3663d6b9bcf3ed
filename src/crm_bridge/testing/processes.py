"""Another process with an adapter of the same connection, and the tokens such processes share.

`OtherProcess` runs `main` of this module; `SharedTokens` stands in for the bridge's PostgreSQL ones, so that no
author needs a database for a rule about processes. It owns no rule.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import inspect
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self, cast

from crm_bridge.contract import Adapter, CaseContext, CaseRef, Services, Token
from crm_bridge.kit.services import in_memory_services
from crm_bridge.testing.base import ContractBase
from crm_bridge.testing.handle import EmulatedCrm

ANSWERS_WITHIN_S = 60.0
READ = "read"


@dataclass(frozen=True, kw_only=True)
class SharedTokens:
    """Tokens in the files of a folder; one refresh at a time by a lock on a file. For tests: nothing is encrypted."""

    folder: Path

    def get(self, name: str) -> Token | None:
        try:
            kept = json.loads(self._file(name).read_text("utf-8"))
        except FileNotFoundError:
            return None
        ends = kept["expires_at"]
        return Token(value=kept["value"], extra=kept["extra"], expires_at=ends and datetime.fromisoformat(ends))

    def refresh(self, name: str, stale: Token | None, fetch: Callable[[Token | None], Token]) -> Token:
        """See `contract.Tokens.refresh`."""
        with self._locked(name):
            stored = self.get(name)
            if stored is not None and stored != stale:
                return stored
            fresh = fetch(stored)
            ends = fresh.expires_at and fresh.expires_at.isoformat()
            beside = self._file(name).with_suffix(".new")
            beside.write_text(json.dumps({"value": fresh.value, "extra": fresh.extra, "expires_at": ends}), "utf-8")
            beside.replace(self._file(name))  # who reads meanwhile sees all of it or nothing
            return fresh

    def _file(self, name: str) -> Path:
        return self.folder / hashlib.sha256(name.encode()).hexdigest()

    @contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        with self._file(name).with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


class OtherProcess:
    """A process that reads a case with an adapter of its own each time it is told to.

    `owner`: the test class, whose `build` makes the adapter. Used as a context: it never outlives that.
    """

    def __init__(
        self, owner: type[ContractBase], crm: EmulatedCrm, config: Mapping[str, Any], case: CaseRef, *, tokens: Path
    ) -> None:
        self._wanted = {
            "file": inspect.getfile(owner) if owner.build is not ContractBase.build else "",
            "owner": owner.__qualname__,
            "adapter": crm.adapter,
            "config": dict(config),
            "public_url": crm.public_url,
            "ahead_s": (crm.clock.now() - datetime.now(UTC)).total_seconds(),
            "case": case.id,
            "tokens": str(tokens),
        }

    def __enter__(self) -> Self:
        self._log = tempfile.TemporaryFile("w+", encoding="utf-8")
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and code
            [sys.executable, "-c", f"from {__name__} import main; main()"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )  # fmt: skip
        self.tell(json.dumps(self._wanted))
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate(timeout=ANSWERS_WITHIN_S)
        self._log.close()

    def tell(self, line: str = "") -> None:
        """Let it read once more."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def said(self) -> str:
        """`read`, or the class of the error it met; what it logged where it ended without a word."""
        assert self._process.stdout is not None
        if said := self._process.stdout.readline().strip():
            return said
        self._log.seek(0)
        return self._log.read()[-2000:]


@dataclass(frozen=True, kw_only=True)
class _Ahead:
    """The machine's time, as far ahead as the emulated CRM's."""

    by: timedelta

    def now(self) -> datetime:
        return datetime.now(UTC) + self.by


def main() -> None:
    """What the other process does: a first line says what with, each further one lets it read the case."""
    answers, sys.stdout = sys.stdout, sys.stderr  # whatever an adapter or a logger prints is no answer
    wanted = json.loads(sys.stdin.readline())
    services = replace(
        in_memory_services(public_url=wanted["public_url"], clock=_Ahead(by=timedelta(seconds=wanted["ahead_s"]))),
        tokens=SharedTokens(folder=Path(wanted["tokens"])),
    )
    adapter = _build(wanted, services)
    for _ in sys.stdin:
        try:
            found = adapter.read_case(CaseRef(id=wanted["case"]))
            said = READ if isinstance(found, CaseContext) else repr(type(found))
        except Exception as error:  # noqa: BLE001 - the edge of a process: told to the test by its class
            said = type(error).__name__
        print(said, file=answers, flush=True)
    adapter.close()


def _build(wanted: Mapping[str, Any], services: Services) -> Adapter:
    crm = cast("EmulatedCrm", SimpleNamespace(adapter=wanted["adapter"]))
    return _owner(wanted["file"], wanted["owner"])().build(crm, wanted["config"], services)


def _owner(file: str, name: str) -> type[ContractBase]:
    """The test class with the `build`: the suite's own unless the file of another one is given."""
    if not file:
        return ContractBase
    spec = importlib.util.spec_from_file_location("crm_bridge_rules", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    found: Any = module
    for part in name.split("."):
        found = getattr(found, part)
    return cast("type[ContractBase]", found)
