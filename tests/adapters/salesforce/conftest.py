"""What the tests of this adapter share: an emulated org, and adapters that are closed at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from crm_bridge.kit.services import in_memory_services
from crm_bridge_salesforce.adapter import SalesforceAdapter, build
from crm_bridge_salesforce.emulator.handle import SalesforceCrm


@pytest.fixture(scope="module")
def org() -> Iterator[SalesforceCrm]:
    """One org for a module; every test makes cases of its own."""
    crm = SalesforceCrm()
    crm.start()
    yield crm
    crm.stop()


@pytest.fixture
def connect() -> Iterator[Callable[..., SalesforceAdapter]]:
    """Adapters for tables; `services` besides, or what in-memory ones are made with."""
    made: list[SalesforceAdapter] = []

    def connected(config: Any, **more: Any) -> SalesforceAdapter:
        services = more.pop("services", None) or in_memory_services(**more)
        made.append(build(config, services))
        return made[-1]

    yield connected
    for one in made:
        one.close()
