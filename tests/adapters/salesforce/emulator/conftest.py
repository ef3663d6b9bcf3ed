"""An emulated org in the process, and a client of its REST API without a socket."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from werkzeug.test import Client

from crm_bridge_salesforce.emulator import SalesforceCrm

BASE = "/services/data/v66.0"


@dataclass
class Reply:
    """One answer."""

    status: int
    body: Any
    headers: Any

    @property
    def code(self) -> str:
        """The code of the first error."""
        return str(self.body[0]["errorCode"])


class Api:
    """Calls as the integration user unless a token says otherwise. Paths below the version."""

    def __init__(self, crm: SalesforceCrm, token: str = "") -> None:
        self.crm = crm
        self.token = token or crm.org.sessions.open(crm.org.people.integration)
        self._client = Client(crm.disturbed)

    def __call__(
        self, method: str, path: str, document: Any = None, *, params: Any = None, headers: Any = None
    ) -> Reply:
        url = path if path.startswith(("/services/", "/id/")) else BASE + path
        own = {"Authorization": f"Bearer {self.token}", **(headers or {})}
        data = None if document is None else json.dumps(document)
        reply = self._client.open(
            url, method=method, headers=own, query_string=params, data=data, content_type="application/json"
        )
        raw = reply.get_data()
        return Reply(reply.status_code, json.loads(raw) if raw else None, reply.headers)

    def query(self, statement: str, *, rows: int | None = None, every: bool = False) -> Reply:
        """A statement."""
        headers = {"Sforce-Query-Options": f"batchSize={rows}"} if rows else {}
        return self("GET", "/queryAll" if every else "/query", params={"q": statement}, headers=headers)

    def rows(self, statement: str) -> list[dict[str, Any]]:
        """The records of a statement, without what each begins with."""
        reply = self.query(statement)
        assert reply.status == 200, reply.body
        return [{name: value for name, value in row.items() if name != "attributes"} for row in reply.body["records"]]

    def create(self, sobject: str, **fields: Any) -> str:
        """A new record's id."""
        reply = self("POST", f"/sobjects/{sobject}", fields)
        assert reply.status == 201, reply.body
        return str(reply.body["id"])

    def read(self, sobject: str, record: str) -> dict[str, Any]:
        """A record."""
        reply = self("GET", f"/sobjects/{sobject}/{record}")
        assert reply.status == 200, reply.body
        return dict(reply.body)


@pytest.fixture
def crm() -> Iterator[SalesforceCrm]:
    made = SalesforceCrm()
    yield made
    made.stop()


@pytest.fixture
def api(crm: SalesforceCrm) -> Api:
    return Api(crm)


@pytest.fixture(scope="module")
def shared() -> Iterator[Api]:
    """One org for tests that leave nothing behind, or do not mind what stands there."""
    made = SalesforceCrm()
    yield Api(made)
    made.stop()


@pytest.fixture
def api_of() -> type[Api]:
    """For a test that makes an org of its own."""
    return Api
