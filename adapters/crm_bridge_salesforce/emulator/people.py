"""Users of an org: the one the API acts as, an admin, the automatic one, and agents by name. It owns no rights."""

from __future__ import annotations

import re
from typing import Any

from crm_bridge.contract import Agent
from crm_bridge.kit.emulation import Record
from crm_bridge_salesforce.emulator.rules import BRIDGE_USER_NAME
from crm_bridge_salesforce.emulator.store import Store

INTEGRATION, AUTOMATIC, ADMIN = BRIDGE_USER_NAME, "Automated Process", "Ana Admin"
ORG_NAME = "Emulated Org"


class People:
    """The users; made when they are first asked for."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    def organization_id(self) -> str:
        """The id of the org itself."""
        return str(self._only("Organization", {"Name": ORG_NAME, "InstanceName": "EMU1", "IsSandbox": True})["Id"])

    @property
    def integration(self) -> str:
        """The user whose credentials the bridge has."""
        return self.id_of(INTEGRATION)

    @property
    def automatic(self) -> str:
        """Who brings in mails of customers."""
        return self.id_of(AUTOMATIC)

    @property
    def admin(self) -> str:
        """Who closes, merges and deletes."""
        return self.id_of(ADMIN)

    def id_of(self, name: str) -> str:
        """The id of the user of this name, who is known from then on."""
        return str(self.user(name)["Id"])

    def user(self, name: str) -> Record:
        """The user of this name."""
        with self._store.records.transaction():
            known = next((one for one in self._store.all_of("User") if one["Name"] == name), None)
            return known or self._made(name)

    def agent(self, name: str) -> Agent:
        """The same as the contract names people."""
        user = self.user(name)
        return Agent(id=user["Id"], name=user["Name"])

    def by_username(self, username: str) -> Record | None:
        """Who signs in so."""
        wanted = username.lower()
        return next((one for one in self._store.all_of("User") if one["Username"].lower() == wanted), None)

    def _made(self, name: str) -> Record:
        first, _, last = name.rpartition(" ")
        word = re.sub(r"[^a-z0-9]+", ".", name.lower()).strip(".") or "user"
        number = self._store.records.next_number("username")
        address = f"{word}@agents.example"
        values: dict[str, Any] = {"FirstName": first or None, "LastName": last}
        values["Username"] = f"{word}.{number}@org.example"
        values |= {"Email": address, "Alias": word[:8], "IsActive": True, "UserType": "Standard"}
        values |= {"LanguageLocaleKey": "en_US", "TimeZoneSidKey": "UTC"}
        return self._put("User", values)

    def _only(self, sobject: str, values: dict[str, Any]) -> Record:
        with self._store.records.transaction():
            known = next(self._store.all_of(sobject), None)
            return known or self._put(sobject, values)

    def _put(self, sobject: str, values: dict[str, Any]) -> Record:
        described = self._store.schema.get(sobject)
        if described is None:
            raise LookupError(f"the schema has no {sobject}")
        return self._store.put_new(described, values, "")
