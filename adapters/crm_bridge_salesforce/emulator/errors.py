"""`Refused`: an answer in the form of the REST API's errors, and the refusals that more than one place gives.

Owns statuses, codes and sentences as the API gives them. A refusal is one document or several.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class Refused(Exception):
    """A call that failed: `status` and the documents of the error array. Also one record of several that failed."""

    def __init__(self, status: int, code: str, message: str, fields: Sequence[str] | None = None) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.message = message
        self.fields = None if fields is None else list(fields)

    @property
    def documents(self) -> list[dict[str, Any]]:
        """The body of the answer."""
        return [self._document("errorCode")]

    @property
    def result(self) -> dict[str, Any]:
        """The same as one element of a collection's answer."""
        return {"success": False, "errors": [{**self._document("statusCode"), "fields": self.fields or []}]}

    def _document(self, code: str) -> dict[str, Any]:
        document: dict[str, Any] = {"message": self.message, code: self.code}
        return document if self.fields is None else document | {"fields": self.fields}


_SEE_WSDL = "Please reference your WSDL or the describe call for the appropriate names."


def not_found() -> Refused:
    """No such resource, or a record that is not there."""
    return Refused(404, "NOT_FOUND", "The requested resource does not exist")


def no_such_key(given: str) -> Refused:
    """What stands where an id or an external id field is expected is neither."""
    return Refused(404, "NOT_FOUND", f"Provided external ID field does not exist or is not accessible: {given}")


def is_deleted() -> Refused:
    """A write to a record in the recycle bin."""
    return Refused(404, "ENTITY_IS_DELETED", "entity is deleted", [])


def malformed_id(label: str, given: object, field: str) -> Refused:
    """No id at all."""
    return Refused(400, "MALFORMED_ID", f"{label}: id value of incorrect type: {given}", [field])


def bad_reference(field: str | None = None) -> Refused:
    """The id of nothing."""
    return Refused(400, "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", [field] if field else [])


def unknown_column(field: str, entity: str) -> Refused:
    """A field that is not there or that the caller may not see: the API does not tell which."""
    return Refused(
        400,
        "INVALID_FIELD",
        f"No such column '{field}' on entity '{entity}'. If you are attempting to use a custom field, be sure to append"
        f" the '__c' after the custom field name. {_SEE_WSDL}",
    )


def unknown_column_of_body(field: str, entity: str) -> Refused:
    """The same in the body of a write."""
    return Refused(400, "INVALID_FIELD", f"No such column '{field}' on sobject of type {entity}")


def unknown_type(name: str) -> Refused:
    """A query for an object that is not there."""
    return Refused(
        400,
        "INVALID_TYPE",
        f"sObject type '{name}' is not supported. If you are attempting to use a custom object, be sure to append the"
        f" '__c' after the entity name. {_SEE_WSDL}",
    )


def unknown_relationship(name: str, where: str, code: str) -> Refused:
    """`where`: `field path` or `FROM part of query call`."""
    return Refused(
        400,
        code,
        f"Didn't understand relationship '{name}' in {where}. If you are attempting to use a custom relationship, be"
        f" sure to append the '__r' after the custom relationship name. {_SEE_WSDL}",
    )


def not_json(detail: str) -> Refused:
    """A body that cannot be read, or a value of the wrong kind in it."""
    return Refused(400, "JSON_PARSER_ERROR", detail)


def method_not_allowed(method: str, allowed: Sequence[str]) -> Refused:
    """405."""
    names = ",".join(sorted(allowed))
    return Refused(405, "METHOD_NOT_ALLOWED", f"HTTP Method '{method}' not allowed. Allowed are {names}")


def too_many(what: str, most: int) -> Refused:
    """More of something than one call may have."""
    return Refused(400, "LIMIT_EXCEEDED", f"{what} exceeds the limit of {most}")


def session_ended() -> Refused:
    """The access token is not good, or not any more."""
    return Refused(401, "INVALID_SESSION_ID", "Session expired or invalid")
