"""Encrypted columns: MultiFernet over `[security] encryption_keys`. The first key encrypts, all decrypt."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from crm_bridge.contract import InvalidConfig


class UnreadableColumn(Exception):
    """A stored value cannot be decrypted with any configured key."""


class Cipher:
    """Encrypts texts and JSON for columns ending in `_enc`. Never shows its keys."""

    def __init__(self, keys: Sequence[str]) -> None:
        if not keys:
            raise InvalidConfig("security.encryption_keys", "at least one key")
        try:
            fernets = [Fernet(key) for key in keys]
        except ValueError as error:
            raise InvalidConfig(
                "security.encryption_keys", "url-safe base64 of 32 bytes each; make one with `openssl rand -base64 32`"
            ) from error
        self._fernet = MultiFernet(fernets)
        self.fingerprints = tuple(_fingerprint(key) for key in keys)

    def __repr__(self) -> str:
        return f"Cipher(keys={len(self.fingerprints)})"

    def encrypt(self, text: str) -> bytes:
        return self._fernet.encrypt(text.encode("utf-8", "replace"))

    def decrypt(self, token: bytes) -> str:
        try:
            return self._fernet.decrypt(bytes(token)).decode("utf-8")
        except InvalidToken as error:
            raise UnreadableColumn("no configured encryption key opens this value") from error

    def encrypt_optional(self, text: str | None) -> bytes | None:
        return None if text is None else self.encrypt(text)

    def decrypt_optional(self, token: bytes | None) -> str | None:
        return None if token is None else self.decrypt(token)

    def encrypt_json(self, value: Any) -> bytes:
        return self.encrypt(json.dumps(value, ensure_ascii=False, separators=(",", ":")))

    def decrypt_json(self, token: bytes | None) -> Any:
        return None if token is None else json.loads(self.decrypt(token))


def new_key() -> str:
    """A fresh key in the form the configuration takes."""
    return Fernet.generate_key().decode("ascii")


def _fingerprint(key: str) -> str:
    raw = base64.urlsafe_b64decode(key)
    return hashlib.sha256(b"crm-bridge-key:" + raw).hexdigest()[:16]
