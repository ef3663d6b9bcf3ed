"""Which arm of the experiment an episode belongs to: a hash of the requester alone.

Never sees the case: who asks decides, not what is asked, so that one customer stays in one arm and nothing that
could be known of the case can leak into the assignment. The result is recorded at the episode's first event.
"""

from __future__ import annotations

import hashlib
import hmac
from enum import StrEnum

from crm_bridge.contract import CaseContext

_SCALE = 2**64


class Arm(StrEnum):
    """`holdout` is handled without a draft and measured all the same."""

    TREATMENT = "treatment"
    HOLDOUT = "holdout"


def requester_key(context: CaseContext, secret: bytes) -> str:
    """Who asks, as an HMAC-SHA-256 hex: by e-mail where known (a person may be two contacts), else by the CRM's id.

    A case of nobody is its own requester. `secret` is the connection's own: without it nobody can find out whose key
    it is by hashing addresses.
    """
    person = context.requester
    if person is None:
        identity = f"case:{context.case.id}"
    elif person.email.strip():
        identity = f"email:{person.email.strip().casefold()}"
    else:
        identity = f"person:{person.id}"
    return hmac.new(secret, identity.encode("utf-8", "replace"), hashlib.sha256).hexdigest()


def assign(requester_key: str, *, salt: str, holdout: float) -> Arm:
    """The arm of a requester; `holdout` is a share from 0.0 to 1.0.

    Raising the share only moves requesters from treatment to holdout, never the other way.
    """
    if not 0.0 <= holdout <= 1.0:
        raise ValueError("holdout must lie between 0 and 1")
    digest = hashlib.sha256(f"{salt}\x00{requester_key}".encode("utf-8", "replace")).digest()
    place = int.from_bytes(digest[:8], "big")
    return Arm.HOLDOUT if place < holdout * _SCALE else Arm.TREATMENT
