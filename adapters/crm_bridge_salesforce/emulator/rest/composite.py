"""`/composite`, `/composite/batch`, `/composite/tree`: several calls in one. Each part is a call of the app itself."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from flask import Flask, request
from werkzeug.test import EnvironBuilder

from crm_bridge.kit.emulation import HttpAnswer
from crm_bridge.kit.emulation.answers import ask
from crm_bridge_salesforce.emulator.errors import Refused, not_json
from crm_bridge_salesforce.emulator.org import Org
from crm_bridge_salesforce.emulator.rest.references import resolved
from crm_bridge_salesforce.emulator.rest.wire import ALL_OR_NONE, Route, answer, body, list_of, object_in, wants

MOST, MOST_QUERIES = 25, 5
_NAME = re.compile(r"[A-Za-z0-9]\w*")
_COUNTED = re.compile(r"/services/data/v[\d.]+/(query|queryAll|composite/sobjects)\b")
_TOLD_HEADERS = ("Location", "ETag", "Last-Modified")
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"})
_ROLLED_BACK = "The transaction was rolled back since another operation in the same transaction failed."


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One call inside another."""

    method: str
    url: str
    headers: Mapping[str, str]
    document: Any = None


class Composite:
    """The operations, on one org and its app."""

    def __init__(self, org: Org, app: Flask) -> None:
        self._org = org
        self._app = app

    @property
    def routes(self) -> tuple[Route, ...]:
        """Their table."""
        return (
            Route("POST", "/composite", "composite", self.composite),
            Route("POST", "/composite/batch", "batch", self.batch),
        )

    # --- parts that may refer to each other -----------------------------------------------------------------------

    def composite(self) -> HttpAnswer:
        """200 whatever became of the parts, unless the call itself is wrong."""
        document = body()
        parts = list_of(document, "compositeRequest")
        _check(parts)
        if not wants(document, "allOrNone"):
            return answer(200, {"compositeResponse": self._run(parts, all_or_none=False)})
        results: list[dict[str, Any]] = []
        try:
            with self._org.records.transaction():
                results = self._run(parts, all_or_none=True)
                _check_all(results)
        except _RolledBack:
            results = _halted(parts, results)
        return answer(200, {"compositeResponse": results})

    def _run(self, parts: Sequence[Mapping[str, Any]], *, all_or_none: bool) -> list[dict[str, Any]]:
        answers: dict[str, Any] = {}
        results: list[dict[str, Any]] = []
        for one in parts:
            result = self._result(one, answers, all_or_none)
            results.append(result)
            if result["httpStatusCode"] < 400:
                answers[one["referenceId"]] = result["body"]
            if all_or_none and _failed(result):
                break
        return results

    def _result(self, one: Mapping[str, Any], answers: Mapping[str, Any], all_or_none: bool) -> dict[str, Any]:
        try:
            part = Part(
                method=str(one["method"]).upper(),
                url=resolved(one["url"], answers),
                headers=resolved(object_in(one, "httpHeaders"), answers),
                document=resolved(one.get("body"), answers),
            )
            reply = self._call(part, {ALL_OR_NONE: all_or_none})
        except Refused as refused:
            return _told(one, refused.status, refused.documents, {})
        headers = {name: value for name in _TOLD_HEADERS if (value := reply.header(name)) is not None}
        return _told(one, reply.status, _document(reply), headers)

    # --- parts of their own ---------------------------------------------------------------------------------------

    def batch(self) -> HttpAnswer:
        """Results in order; after a failure the rest is left out where that is wished."""
        document = body()
        parts = list_of(document, "batchRequests")
        if len(parts) > MOST:
            raise Refused(400, "LIMIT_EXCEEDED", f"The batch request exceeds the limit of {MOST} subrequests")
        results: list[dict[str, Any]] = []
        for one in parts:
            halted = wants(document, "haltOnError") and any(done["statusCode"] >= 400 for done in results)
            results.append(_left_out() if halted else self._of_batch(one))
        failed = any(one["statusCode"] >= 400 for one in results)
        return answer(200, {"hasErrors": failed, "results": results})

    def _of_batch(self, one: Mapping[str, Any]) -> dict[str, Any]:
        url = str(one.get("url", ""))
        whole = url if url.startswith("/") else f"/services/data/{url}"
        part = Part(method=str(one.get("method", "")).upper(), url=whole, headers={}, document=one.get("richInput"))
        try:
            reply = self._call(part, {})
        except Refused as refused:
            return {"statusCode": refused.status, "result": refused.documents}
        return {"statusCode": reply.status, "result": _document(reply)}

    # --- a part ---------------------------------------------------------------------------------------------------

    def _call(self, part: Part, marks: Mapping[str, Any]) -> HttpAnswer:
        split = urlsplit(part.url)
        if part.method not in _METHODS or not split.path.startswith("/services/data/") or split.netloc:
            raise Refused(400, "INVALID_INPUT", "A subrequest needs a method and a URL below /services/data/")
        if re.search(r"/composite(/batch|/tree|/graph)?/?\Z", split.path):
            detail = f"The url provided in the subrequest is not supported: {split.path}"
            raise Refused(400, "PROCESSING_HALTED", detail)
        data = None if part.document is None else json.dumps(part.document)
        headers = {str(name): str(value) for name, value in part.headers.items()}
        headers["Authorization"] = request.headers.get("Authorization", "")
        environ = EnvironBuilder(
            path=split.path,
            query_string=quote(split.query, safe="=&%+:,()'*!~@$/?;"),
            method=part.method,
            headers=list(headers.items()),
            data=data,
            content_type="application/json",
        ).get_environ()
        return ask(self._app.wsgi_app, {**environ, **marks})


class _RolledBack(Exception):
    """Ends the transaction of a call that is all or none."""


def _check(parts: Sequence[Mapping[str, Any]]) -> None:
    if len(parts) > MOST:
        raise Refused(400, "LIMIT_EXCEEDED", f"The composite request exceeds the limit of {MOST} subrequests")
    names: set[str] = set()
    for one in parts:
        name = one.get("referenceId")
        if not isinstance(name, str) or _NAME.fullmatch(name) is None:
            raise not_json(
                f"Provided referenceId ('{name}') must start with a letter or a number, and it can contain only"
                " letters, numbers and underscores ('_')."
            )
        if name in names:
            raise Refused(400, "INVALID_INPUT", f"Duplicate referenceId provided in composite request: {name}")
        if not isinstance(one.get("url"), str) or not isinstance(one.get("method"), str):
            raise not_json("A subrequest needs a method and a url")
        names.add(name)
    if sum(1 for one in parts if _COUNTED.match(one["url"])) > MOST_QUERIES:
        detail = f"The composite request exceeds the limit of {MOST_QUERIES} query and sObject collection subrequests"
        raise Refused(400, "LIMIT_EXCEEDED", detail)


def _check_all(results: Sequence[Mapping[str, Any]]) -> None:
    if any(_failed(one) for one in results):
        raise _RolledBack


def _failed(result: Mapping[str, Any]) -> bool:
    inner = result["body"]
    several = isinstance(inner, list) and any(isinstance(one, dict) and one.get("success") is False for one in inner)
    return bool(result["httpStatusCode"] >= 400 or several)


def _halted(parts: Sequence[Mapping[str, Any]], results: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    documents = Refused(400, "PROCESSING_HALTED", _ROLLED_BACK).documents
    done = [one if _failed(one) else _told(part, 400, documents, {}) for part, one in zip(parts, results, strict=False)]
    return done + [_told(part, 400, documents, {}) for part in parts[len(done) :]]


def _told(part: Mapping[str, Any], status: int, document: Any, headers: Mapping[str, str]) -> dict[str, Any]:
    told = {"body": document, "httpHeaders": dict(headers), "httpStatusCode": status}
    return {**told, "referenceId": part["referenceId"]}


def _left_out() -> dict[str, Any]:
    detail = "Batch processing halted per request"
    return {"statusCode": 412, "result": Refused(412, "BATCH_PROCESSING_HALTED", detail).documents}


def _document(reply: HttpAnswer) -> Any:
    return json.loads(reply.body) if reply.body else None
