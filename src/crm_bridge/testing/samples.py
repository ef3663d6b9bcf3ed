"""Recorded deliveries: folders `<case>/{headers.json,body}`, read as they lie on disk.

The folder's name says what must come of it: `unknown-…` holds an event of unknown kind, `batch-…` more than one event,
`invalid-…` is refused as `InvalidDelivery`; every other holds known events only. Signatures are made anew, so that
samples never get too old: the security headers of `headers.json` are passed over.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from crm_bridge.contract import Delivery
from crm_bridge.testing.handle import Signer


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One recorded delivery."""

    name: str
    headers: dict[str, str]
    body: bytes = field(repr=False)

    def signed(self, signer: Signer) -> Delivery:
        """As the CRM would send it now."""
        delivery = signer.sign(self.body)
        skipped = {*signer.security_headers, "host", "content-length"}
        recorded = {name: value for name, value in self.headers.items() if name.lower() not in skipped}
        own = {name: value for name, value in delivery.headers.items() if name.lower() in signer.security_headers}
        return replace(delivery, headers={**recorded, **own})


def read_samples(folder: Path | None) -> Iterator[Sample]:
    """Every sample of a folder, by name; none for a folder that is not there. Raises `ValueError` for half a one."""
    if folder is None or not folder.is_dir():
        return
    for case in sorted(path for path in folder.iterdir() if path.is_dir()):
        headers, body = case / "headers.json", case / "body"
        if not (headers.is_file() and body.is_file()):
            raise ValueError(f"{case}: a sample has headers.json and body")
        yield Sample(name=case.name, headers=json.loads(headers.read_text("utf-8")), body=body.read_bytes())
