"""Case merge: everything that refers to the losing case refers to the surviving one, and the losing one is deleted."""

from __future__ import annotations

from crm_bridge.kit.emulation import Record
from crm_bridge_salesforce.emulator.org import Org


def merge_cases(org: Org, losing: Record, surviving: Record, by: str) -> None:
    """As the product does: related records move without being told of, `MasterRecordId` names the survivor."""
    cases = org.object("Case")
    with org.records.transaction():
        for relation in cases.children:
            child = org.schema.get(relation.child)
            if child is None:
                continue
            for row in org.store.referring(child.name, relation.field, losing["Id"]):
                if not row["IsDeleted"]:
                    org.store.move(child, row, {relation.field: surviving["Id"]}, by)
        org.store.delete(cases, losing["Id"], by, MasterRecordId=surviving["Id"])
        org.store.change(cases, surviving, {}, by)
