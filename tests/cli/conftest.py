"""What commands that look at a CRM are run against: an embedded one, and its secrets in the environment."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from crm_bridge.kit.signing import new_secret
from crm_bridge.store.encryption import new_key
from crm_bridge_mock.emulator.handle import MockHandle


@pytest.fixture
def crm(monkeypatch: pytest.MonkeyPatch) -> Iterator[MockHandle]:
    """The CRM of the connection `support`; configurations name `SUPPORT_SECRET` and `BRIDGE_KEY`."""
    handle = MockHandle(secrets=(new_secret(),), connection="support")
    monkeypatch.setenv("SUPPORT_SECRET", handle.secrets[0])
    monkeypatch.setenv("BRIDGE_KEY", new_key())
    handle.start()
    yield handle
    handle.stop()
