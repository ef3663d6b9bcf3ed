"""Calls to the REST API of one org: paths we build, documents out. With `auth` the only I/O of the adapter.

Every byte goes through the kit's `HttpClient` (deadline, cap, one host, no redirects). Of simple-salesforce only
`format_soql` is used (`soql.py`): its session would join an absolute URL given as an id into a call with our token,
forgets `If-Unmodified-Since` when it logs in again, logs in once per thread, sets no timeouts, drops the headers of
refusals (the daily limit stands there) and only speaks https, which leaves out every loopback emulator (all measured).
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from crm_bridge.contract import Ambiguous, Conflict, OutboundError, Permanent, Services, Token
from crm_bridge.kit.http import Answer, Effect, HttpClient, usable
from crm_bridge.kit.tokens import bearer
from crm_bridge_salesforce.auth import Identity, Login, identity_of
from crm_bridge_salesforce.refusals import JUDGED, refusal
from crm_bridge_salesforce.schemas import SalesforceConfig

MAX_ANSWER_BYTES = 12_000_000
"""Describes of standard objects are some 100 kB each, and a case may hold many long mails."""

MAX_PAGES = 10
"""So many further pages of one query are read at most."""

MAX_SUBREQUESTS = 25
_MORE = re.compile(r"/services/data/v[0-9]{2,3}\.0/query(?:All)?/[A-Za-z0-9_-]{1,80}")
_USAGE = re.compile(r"(?:^|[;, ])api-usage=([0-9]{1,12})/([0-9]{1,12})")

Document = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Sub:
    """One request inside a composite one. `name` is its reference; `path` is below `/services/data/vXX.X`."""

    name: str
    path: str
    method: str = "GET"
    body: Mapping[str, Any] | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class SubAnswer:
    """What came back for it."""

    name: str
    status: int
    body: Any = field(repr=False)

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    def refusal(self, operation: str) -> OutboundError | None:
        """What its refusal means; None when there is none."""
        return refusal(operation, self.status, self.body)

    def raise_for(self, operation: str) -> None:
        """Raise what its refusal means."""
        error = self.refusal(operation)
        if error is not None:
            raise error


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """Calls of the org in the last 24 hours, of all programs together."""

    used: int
    total: int

    @property
    def share(self) -> float:
        return self.used / self.total if self.total else 0.0


class SalesforceClient:
    """The API of one org; safe to use from several threads."""

    def __init__(self, config: SalesforceConfig, services: Services) -> None:
        self._login = Login(config, services)
        self._data = f"/services/data/v{config.api_version}"
        self._lock = threading.Lock()
        self._usage: Usage | None = None
        self._http = HttpClient(
            config.base_url,
            total_s=config.timeout_s,
            max_bytes=MAX_ANSWER_BYTES,
            network=services.network,
            may_start=services.may_start,
            headers={"Sforce-Call-Options": "client=crm_bridge"},
        )

    def close(self) -> None:
        """Release connections."""
        self._http.close()
        self._login.close()

    @property
    def usage(self) -> Usage | None:
        """As the last answer said; None before there was one that did."""
        with self._lock:
            return self._usage

    def me(self) -> Identity:
        """Whose token is used; may fetch one."""
        return identity_of(self._login.tokens.token())

    # --- calls ----------------------------------------------------------------------------------------------------

    def get(self, operation: str, path: str) -> Any:
        """A document below `/services/data`: `path` "" is the list of versions."""
        return self._call(operation, "GET", f"/services/data{path}", effect=Effect.READ).json()

    def data_path(self, path: str) -> str:
        """A path of the configured API version, below `/services/data`."""
        return f"{self._data.removeprefix('/services/data')}{path}"

    def query(self, operation: str, soql: str) -> list[Document]:
        """The records of a query, over all pages."""
        (answer,) = self.read(operation, [query_sub("q", soql)])
        answer.raise_for(operation)
        return self.records(operation, answer.body)

    def read(self, operation: str, subs: Sequence[Sub]) -> list[SubAnswer]:
        """Several reads in one call; each may be refused on its own."""
        return self._composite(operation, subs, effect=Effect.READ, all_or_none=False)

    def write(self, operation: str, subs: Sequence[Sub], effect: Effect) -> list[SubAnswer]:
        """Several writes in one call, all or none of them."""
        return self._composite(operation, subs, effect=effect, all_or_none=True)

    def records(self, operation: str, result: Any) -> list[Document]:
        """The records of a query's result (also of one nested in a record), with those on further pages."""
        if result is None:
            return []
        with usable(operation):
            found, more = list(result["records"]), _next_page(result)
        for _ in range(MAX_PAGES):
            if more is None:
                return found
            page: Any = self._call(operation, "GET", more, effect=Effect.READ).json()
            with usable(operation):
                found += page["records"]
                more = _next_page(page)
        raise Permanent(f"{operation}: more than {MAX_PAGES} pages", code="too_long")

    # --- inside ---------------------------------------------------------------------------------------------------

    def _composite(self, operation: str, subs: Sequence[Sub], *, effect: Effect, all_or_none: bool) -> list[SubAnswer]:
        if not 0 < len(subs) <= MAX_SUBREQUESTS:
            raise ValueError(f"a composite request has 1 to {MAX_SUBREQUESTS} parts")
        body = {"allOrNone": all_or_none, "compositeRequest": [self._part(sub) for sub in subs]}
        answer = self._call(operation, "POST", f"{self._data}/composite", effect=effect, json=body)
        document: Any = answer.json()
        with usable(operation, Ambiguous if effect is Effect.ONCE else Permanent):
            parts = {part["referenceId"]: part for part in document["compositeResponse"]}
            return [_sub_answer(sub.name, parts[sub.name]) for sub in subs]

    def _part(self, sub: Sub) -> dict[str, Any]:
        part: dict[str, Any] = {"method": sub.method, "url": f"{self._data}{sub.path}", "referenceId": sub.name}
        if sub.body is not None:
            part["body"] = dict(sub.body)
        if sub.headers:
            part["httpHeaders"] = dict(sub.headers)
        return part

    def _call(self, operation: str, method: str, path: str, *, effect: Effect, json: Any = None) -> Answer:
        def attempt(token: Token) -> Answer:
            return self._once(operation, method, path, effect, json, token)

        try:
            return self._login.tokens.call(attempt)
        except Conflict as error:
            if effect is Effect.READ:
                raise Permanent(error.detail, code=error.code) from None  # a read has nothing to conflict with
            raise

    def _once(self, operation: str, method: str, path: str, effect: Effect, json: Any, token: Token) -> Answer:
        answer = self._http.call(
            operation, method, path, effect=effect, json=json, headers=bearer(token), accept=JUDGED
        )
        self._note_usage(answer)
        error = refusal(operation, answer.status, _body(answer))
        if error is not None:
            raise error
        return answer

    def _note_usage(self, answer: Answer) -> None:
        found = _USAGE.search(answer.headers.get("sforce-limit-info", ""))
        if found is not None:
            with self._lock:
                self._usage = Usage(used=int(found[1]), total=int(found[2]))


def query_sub(name: str, soql: str, *, deleted: bool = False) -> Sub:
    """A query as part of a composite request; `deleted`: also what lies in the recycle bin.

    A reference to an earlier answer, `@{name.…}`, stays readable in it.
    """
    return Sub(name=name, path=f"/{'queryAll' if deleted else 'query'}?q={quote(soql, safe='@{}[].')}")


def fields_path(kind: str, record: str, fields: Sequence[str]) -> str:
    """Some fields of one record. `record` is a checked id."""
    return f"/sobjects/{kind}/{record}?{urlencode({'fields': ','.join(fields)})}"


def _body(answer: Answer) -> Any:
    """The body of a refusal, None where it is no JSON; that of a success is not looked at here."""
    if 200 <= answer.status < 300:
        return None
    try:
        return answer.json()
    except OutboundError:
        return None


def _next_page(result: Document) -> str | None:
    """Where the next page is, None on the last one. Raises `ValueError` for a place that is none of the API's."""
    if result["done"] is True:
        return None
    place = result["nextRecordsUrl"]
    if not isinstance(place, str) or not _MORE.fullmatch(place):
        raise ValueError("no place of a next page")
    return place


def _sub_answer(name: str, part: Document) -> SubAnswer:
    return SubAnswer(name=name, status=int(part["httpStatusCode"]), body=part["body"])
