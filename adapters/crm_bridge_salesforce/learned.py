"""What this user may see and write, learned by describe: one call an hour, and once more when a query says otherwise.

It owns the describe, how it is kept (`services.cache`, so all processes share it) and the questions asked of it. A
conditional describe (`If-Modified-Since`) is not used: it costs the same call of the day, and a change of permissions
is no change of the object.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from crm_bridge.contract import Cache, Permanent, Unreadable
from crm_bridge.kit.http import usable
from crm_bridge_salesforce.client import SalesforceClient, Sub, SubAnswer
from crm_bridge_salesforce.fields import (
    ARTICLE,
    ATTACHMENT,
    CASE_ARTICLE,
    DESCRIBED,
    DRAFT,
    FILE,
    OPTIONAL,
    STANDARD,
    STATE_FIELDS,
)
from crm_bridge_salesforce.refusals import GONE, INVALID_FIELD

KEPT_S = 3600.0
_KEY = "describe:1"
_ABSENT = GONE | {INVALID_FIELD}


@dataclass(frozen=True, kw_only=True, slots=True)
class Learned:
    """Objects with their readable fields; which fields may be created or changed; the child relations of a case."""

    readable: Mapping[str, frozenset[str]]
    createable: Mapping[str, frozenset[str]] = field(default_factory=dict)
    updateable: Mapping[str, frozenset[str]] = field(default_factory=dict)
    relations: frozenset[str] = frozenset()

    def has(self, kind: str, *names: str) -> bool:
        """Whether the object, and these fields of it, can be read."""
        return kind in self.readable and self.readable[kind].issuperset(names)

    def wanted(self, kind: str) -> list[str]:
        """The readable ones of all fields the adapter would like to have."""
        names = (*STANDARD.get(kind, ()), *OPTIONAL.get(kind, ()))
        return [name for name in names if self.has(kind, name)]

    @property
    def has_app(self) -> bool:
        """Whether our package is installed and this user may see its drafts."""
        return self.has(DRAFT, "External_Key__c", "Body__c", "Status__c") and "AI_Drafts__r" in self.relations

    @property
    def has_states(self) -> bool:
        """Whether the fields of a case that carry a state can be read and written."""
        return self.has("Case", *STATE_FIELDS) and self.updateable.get("Case", frozenset()).issuperset(STATE_FIELDS)

    @property
    def has_knowledge(self) -> bool:
        """Whether articles can be read."""
        return self.has(ARTICLE, "KnowledgeArticleId", "Title", "PublishStatus", "Language")

    @property
    def has_attachments(self) -> bool:
        """Whether attachments of the older kind can be read."""
        return self.has("Attachment", *ATTACHMENT)

    @property
    def has_files(self) -> bool:
        """Whether files and what they hang on can be read."""
        return self.has("ContentDocumentLink", "LinkedEntityId") and self.has("ContentDocument", *FILE)

    @property
    def has_case_articles(self) -> bool:
        """Whether the articles attached to a case can be read."""
        return self.has(CASE_ARTICLE, "CaseId", "KnowledgeArticleId")

    def unreadable(self) -> Iterator[Unreadable]:
        """What every org has and this user may not see."""
        for relation in ("EmailMessages", "CaseComments"):
            if relation not in self.relations:
                yield Unreadable(name=relation, reason="no_permission")
        for kind, names in STANDARD.items():
            if kind not in self.readable:
                yield Unreadable(name=kind, reason="no_permission")
                continue
            for name in names:
                if not self.has(kind, name):
                    yield Unreadable(name=f"{kind}.{name}", reason="no_permission")


class Schema:
    """What was learned of one org, for one user."""

    def __init__(self, client: SalesforceClient, cache: Cache) -> None:
        self._client = client
        self._cache = cache

    def learned(self) -> Learned:
        """As kept, or as a describe says now."""
        kept = self._cache.get(_KEY)
        if kept is not None and (known := _from_bytes(kept)) is not None:
            return known
        return self.again()

    def again(self) -> Learned:
        """As a describe says now."""
        answers = self._client.read(
            "describe", [Sub(name=kind, path=f"/sobjects/{kind}/describe") for kind in DESCRIBED]
        )
        found = learned_from(answers)
        self._cache.put(_KEY, _to_bytes(found), ttl_s=KEPT_S)
        return found


def learned_from(answers: Iterable[SubAnswer]) -> Learned:
    """What describes say; an object that does not exist, or is hidden, is left out."""
    described: dict[str, Mapping[str, Any]] = {}
    for answer in answers:
        error = answer.refusal("describe")
        if error is None:
            described[answer.name] = answer.body
        elif error.code not in _ABSENT and not error.code.startswith("insufficient_"):
            raise error
    with usable("describe"):
        if "Case" not in described:
            raise Permanent("this user may not see cases at all", code="no_access_to_cases")
        return Learned(
            readable={kind: _names(body, None) for kind, body in described.items()},
            createable={kind: _names(body, "createable") for kind, body in described.items()},
            updateable={kind: _names(body, "updateable") for kind, body in described.items()},
            relations=frozenset(
                str(one["relationshipName"])
                for one in described["Case"]["childRelationships"]
                if one["relationshipName"] and one["childSObject"] in described
            ),
        )


def _names(body: Mapping[str, Any], only: str | None) -> frozenset[str]:
    if only is not None and body[only] is not True:
        return frozenset()  # fields say that they can be written, also of objects that this user may not write
    return frozenset(str(one["name"]) for one in body["fields"] if only is None or one[only] is True)


def _to_bytes(found: Learned) -> bytes:
    def lists(table: Mapping[str, frozenset[str]]) -> dict[str, list[str]]:
        return {kind: sorted(names) for kind, names in table.items()}

    document = {
        "readable": lists(found.readable),
        "createable": lists(found.createable),
        "updateable": lists(found.updateable),
        "relations": sorted(found.relations),
    }
    return json.dumps(document).encode()


def _from_bytes(kept: bytes) -> Learned | None:
    try:
        document = json.loads(kept)
        tables = {
            name: {kind: frozenset(names) for kind, names in document[name].items()}
            for name in ("readable", "createable", "updateable")
        }
        return Learned(**tables, relations=frozenset(document["relations"]))
    except (ValueError, LookupError, TypeError, AttributeError):
        return None
