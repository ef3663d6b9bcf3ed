"""Records of what an adapter has proven: the one shipped with it, and those of runs against a real CRM.

It owns the form of a record and the digest that says which code it is about. The rules are run by
`crm_bridge.testing`; what follows from a record is `kit/matrix.py`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

PROOF_FILE = "proof.json"
"""Beside the adapter's modules: what the suite proved on its emulator."""

LIVE_FILE = "live.json"
"""Beside it, where a live record is shipped: as `crm-bridge prove` leaves it in the data directory."""

LIVE_FOLDER = "proofs"
"""In the data directory: one live record for each connection, `NAME.json`."""

MAX_RECORD_BYTES = 1_000_000
DIGEST_CHARS = 16
_NO_CODE = frozenset({"emulator", "crm_app", "__pycache__", PROOF_FILE, LIVE_FILE, "quality.toml"})
"""What may change without the adapter being another one."""


class UnusableRecord(ValueError):
    """A record that is no record of this form."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Proven:
    """One capability in one run: how many rules held, and those that stand in the way, with their outcome."""

    rules: int
    standing_in_the_way: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_whole(self) -> bool:
        """Every rule that applies was put to the adapter, and held."""
        return self.rules > 0 and not self.standing_in_the_way


@dataclass(frozen=True, kw_only=True, slots=True)
class Calls:
    """CRM calls of one operation of the adapter: what was counted, and the most it declares."""

    measured: int
    budget: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Proof:
    """What one run showed of one variant of an adapter.

    `code` is the digest of the adapter's code then, `suite` the version of crm_bridge whose rules were put to it,
    `rules` the digest of those rules. `at` and `api_version` belong to live runs only: a record made on an emulator is
    the same whenever it is made.
    """

    code: str
    suite: str
    rules: str = ""
    capabilities: Mapping[str, Proven]
    not_declared: tuple[str, ...] = ()
    calls: Mapping[str, Calls] = field(default_factory=dict)
    at: datetime | None = None
    api_version: str = ""

    def as_document(self) -> dict[str, Any]:
        """As it is kept in JSON."""
        document: dict[str, Any] = {"code": self.code, "suite": self.suite}
        if self.rules:
            document["rules"] = self.rules
        if self.at is not None:
            document |= {"at": self.at.isoformat(timespec="seconds"), "api_version": self.api_version}
        document["capabilities"] = {
            name: {"rules": one.rules, "standing_in_the_way": dict(sorted(one.standing_in_the_way.items()))}
            for name, one in self.capabilities.items()
        }
        if self.calls:
            named = sorted(self.calls.items())
            document["calls"] = {name: {"measured": one.measured, "budget": one.budget} for name, one in named}
        if self.not_declared:
            document["not_declared"] = sorted(self.not_declared)
        return document


def proof_of(document: Any) -> Proof:
    """A record as it was kept. Raises `UnusableRecord`."""
    try:
        at = document.get("at")
        return Proof(
            code=str(document["code"]),
            suite=str(document["suite"]),
            rules=str(document.get("rules", "")),
            capabilities={
                str(name): Proven(rules=int(one["rules"]), standing_in_the_way=dict(one["standing_in_the_way"]))
                for name, one in document["capabilities"].items()
            },
            not_declared=tuple(document.get("not_declared", ())),
            calls={
                str(name): Calls(measured=int(one["measured"]), budget=int(one["budget"]))
                for name, one in document.get("calls", {}).items()
            },
            at=datetime.fromisoformat(at) if at else None,
            api_version=str(document.get("api_version", "")),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UnusableRecord(f"no record of a proof ({type(error).__name__})") from error


def read_proofs(file: Path) -> Mapping[str, Proof]:
    """The records of a file by variant; none when there is no file. Raises `UnusableRecord`."""
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_RECORD_BYTES + 1)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UnusableRecord(f"{file.name}: cannot be read ({type(error).__name__})") from error
    try:
        if len(content) > MAX_RECORD_BYTES:
            raise UnusableRecord("longer than any record")
        document = json.loads(content)
        return {str(name): proof_of(one) for name, one in document["variants"].items()}
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise UnusableRecord(f"{file.name}: {error}") from error


def write_proofs(file: Path, adapter: str, proofs: Mapping[str, Proof]) -> None:
    """Keep records, in place of what stood there. Raises `OSError`."""
    variants = {name: proof.as_document() for name, proof in proofs.items()}
    text = json.dumps({"adapter": adapter, "variants": variants}, indent=2, ensure_ascii=True) + "\n"
    beside = file.with_name(f".{file.name}.new")
    beside.write_text(text, "utf-8")
    beside.replace(file)


def adapter_of(file: Path) -> str:
    """The adapter a file of records is about; "" when it does not say."""
    try:
        return str(json.loads(file.read_text("utf-8")).get("adapter", ""))
    except (OSError, ValueError, AttributeError):
        return ""


def code_digest(folder: Path) -> str:
    """A digest of an adapter's code, without its emulator and its records: another one, another adapter."""
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*"), key=lambda one: one.relative_to(folder).as_posix()):
        relative = path.relative_to(folder)
        if path.is_file() and not _NO_CODE & set(relative.parts) and path.suffix != ".pyc":
            content = hashlib.sha256(path.read_bytes().replace(b"\r\n", b"\n")).hexdigest()
            total.update(f"{relative.as_posix()} {content}\n".encode())
    return total.hexdigest()[:DIGEST_CHARS]
