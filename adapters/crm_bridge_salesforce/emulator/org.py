"""`Org`: one org put together: its schema, records, people, sessions and results. It joins parts and owns one rule:
what a caller may see."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from crm_bridge.kit.emulation import EmulatorClock, Record, RecordStore
from crm_bridge_salesforce.emulator.errors import not_found
from crm_bridge_salesforce.emulator.jwt import KeyPair
from crm_bridge_salesforce.emulator.pages import Pages
from crm_bridge_salesforce.emulator.people import People
from crm_bridge_salesforce.emulator.rules import DRAFT
from crm_bridge_salesforce.emulator.schema import Schema, SObject
from crm_bridge_salesforce.emulator.sessions import App, Sessions
from crm_bridge_salesforce.emulator.soql import Evaluation, parse
from crm_bridge_salesforce.emulator.soql.names import Names
from crm_bridge_salesforce.emulator.store import Store
from crm_bridge_salesforce.emulator.values import stamp

APP_VERSION = "0.1.0"
DAILY_REQUESTS = 100_000


class Org:
    """What stands behind the API. `installed`: whether the package of crm_bridge is."""

    def __init__(self, records: RecordStore, clock: EmulatorClock, app: App, *, installed: bool = True) -> None:
        self.records = records
        self.clock = clock
        self.schema = Schema(clock.now(), installed=installed)
        self.store = Store(records, self.schema, clock)
        self.people = People(self.store)
        self.keys = KeyPair()
        self.sessions = Sessions(records, clock, self.people, app, self.keys)
        self.pages = Pages(clock)
        self.index_lag = timedelta()
        self.requests_used = 0
        self.requests_a_day = DAILY_REQUESTS
        for known in (self.people.organization_id, self.people.integration, self.people.automatic, self.people.admin):
            assert known
        if installed and next(self.store.all_of("CRM_Bridge_App__mdt"), None) is None:
            values = {"DeveloperName": "Current", "MasterLabel": "Current", "Version__c": APP_VERSION}
            self.store.put_new(self.object("CRM_Bridge_App__mdt"), values, self.people.admin)

    def object(self, name: str) -> SObject:
        """The object of a name. Raises `Refused`."""
        found = self.schema.get(name)
        if found is None:
            raise not_found()
        return found

    def has(self, name: str) -> bool:
        """Whether the org knows an object."""
        return self.schema.get(name) is not None

    def query(
        self,
        statement: str,
        caller: str,
        *,
        version: str = "v66.0",
        deleted: bool = False,
        batch: int | None = None,
        only: frozenset[str] | None = None,
    ) -> dict[str, Any]:
        """The first page of a statement, of `only` these records where they are given. Raises `Refused`."""
        tree = parse(statement)
        evaluation = Evaluation(
            self.store,
            Names(self.schema, statement),
            sees=lambda _sobject, row: (only is None or row["Id"] in only) and self.sees(caller, row),
            lags=self._lags,
            now=self.clock.now(),
            deleted=deleted,
        )
        return self.pages.first(evaluation, tree, version=version, wanted=batch)

    def sees(self, caller: str, row: Record) -> bool:
        """A draft of a mail that is private is its author's alone; an admin sees all."""
        private = row.get("Status") == DRAFT and row.get("IsPrivateDraft") is True
        return not private or row["CreatedById"] == caller or caller == self.people.admin

    def seen(self, caller: str, record_id: str) -> Record | None:
        """A live record the caller may see."""
        row = self.store.live(record_id)
        return row if row is not None and self.sees(caller, row) else None

    def is_listed(self, row: Record) -> bool:
        """Whether a search or a list finds it already."""
        return not self._lags(row)

    def _lags(self, row: Record) -> bool:
        return bool(self.index_lag) and row["SystemModstamp"] > stamp(self.clock.now() - self.index_lag)
