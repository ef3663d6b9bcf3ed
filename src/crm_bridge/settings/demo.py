"""The built-in configuration of the demo and the secrets it keeps in its data directory."""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

from crm_bridge.contract import InvalidConfig

DEMO_PORT = 8000
DEMO_CONNECTION = "demo"
LONG_AGO = "2000-01-01T00:00:00+00:00"
"""The demo's example cases are older than the demo itself and shall get drafts."""


def demo_tree(port: int, desk_port: int, data_dir: Path, webhook_secret: str | None) -> dict[str, Any]:
    """The demo's configuration in the shape of the TOML file."""
    key = kept_secret(data_dir / "secret.key", _new_key)
    secret = webhook_secret or kept_secret(data_dir / "webhook.secret", _new_webhook_secret)
    return {
        "public_url": f"http://127.0.0.1:{port}",
        "listen": f"127.0.0.1:{port}",
        "database_url": "embedded",
        "data_dir": str(data_dir),
        "security": {"encryption_keys": [key]},
        "assistant": {"kind": "offline"},
        "connections": {
            DEMO_CONNECTION: {
                "adapter": "mock",
                "environment": "sandbox",
                "mode": "suggest",
                "start_from": LONG_AGO,
                "debounce_s": 0.3,
                "undo_s": 3,
                "max_drafts_per_hour": "unlimited",
                "daily_cost_limit": "unlimited",
                "base_url": f"http://127.0.0.1:{desk_port}",
                "webhook_secrets": [secret],
            }
        },
    }


def kept_secret(file: Path, make: Callable[[], str]) -> str:
    """The secret in `file`, made there (0600) by whoever comes first. Raises `InvalidConfig` when it cannot be."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not file.exists():
            _place(file, make())
        return file.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidConfig("data_dir", f"expected a writable directory ({type(error).__name__})", str(file)) from None


def _place(file: Path, value: str) -> None:
    """Write beside, then link: a second process sees all of it or nothing, and the first one wins."""
    beside = file.with_name(f".{file.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as stream:
            stream.write(f"{value}\n")
            stream.flush()
            os.fsync(stream.fileno())
        try:
            os.link(beside, file)
        except FileExistsError:
            return
    finally:
        beside.unlink()


def _new_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode("ascii")


def _new_webhook_secret() -> str:
    return f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode('ascii')}"
