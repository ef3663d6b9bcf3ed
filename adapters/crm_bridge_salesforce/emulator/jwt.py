"""JSON Web Tokens as the JWT bearer flow has them: RS256 and nothing else. It owns signatures, not what claims mean."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

MAX_LENGTH = 10_000


class BadAssertion(Exception):
    """No token, or one this key did not sign."""


class KeyPair:
    """A key for one app, made when it is first needed."""

    @cached_property
    def private(self) -> rsa.RSAPrivateKey:
        """For whoever signs."""
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)

    @property
    def public(self) -> rsa.RSAPublicKey:
        """What the app was given, as a certificate."""
        return self.private.public_key()

    @property
    def private_pem(self) -> str:
        """For a client's configuration."""
        return self.private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()


def claims_of(token: str, key: rsa.RSAPublicKey) -> Mapping[str, Any]:
    """The claims of a token this key signed. Raises `BadAssertion`."""
    parts = token.split(".")
    if len(token) > MAX_LENGTH or len(parts) != 3 or not token.isascii():
        raise BadAssertion
    header, claims = _document(parts[0]), _document(parts[1])
    if header.get("alg") != "RS256":
        raise BadAssertion
    signed = f"{parts[0]}.{parts[1]}".encode()
    try:
        key.verify(_bytes(parts[2]), signed, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        raise BadAssertion from None
    return claims


def _document(part: str) -> dict[str, Any]:
    try:
        found = json.loads(_bytes(part))
    except (ValueError, RecursionError):
        raise BadAssertion from None
    if not isinstance(found, dict):
        raise BadAssertion
    return found


def _bytes(part: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except (binascii.Error, ValueError):
        raise BadAssertion from None
