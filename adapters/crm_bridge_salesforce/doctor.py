"""What an admin is told of a connection: is the token good, what is missing, what to do. It changes nothing.

Each line looks at one thing and names the next step in words; a line that cannot be looked at says why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from crm_bridge.contract import MAY_WRITE, Diagnosis, OutboundError, Reauthenticate, Retry, Step
from crm_bridge_salesforce.client import SalesforceClient
from crm_bridge_salesforce.fields import DRAFT, DRAFT_WRITTEN
from crm_bridge_salesforce.learned import Schema
from crm_bridge_salesforce.schemas import SalesforceConfig

APP_VERSION = "0.1"
"""The first two numbers of the version of the package this adapter writes to."""

_INSTALL = 'Deploy crm_app into the org and assign its permission set to this user, or set target = "comment".'
_ASSIGN = "Assign the package's permission set to this user."
_WRITABLE = (DRAFT, "Case", "CaseComment", "EmailMessage")
_VERSION_QUERY = "SELECT Id, Version__c FROM CRM_Bridge_App__mdt WHERE DeveloperName = 'Current'"


class Doctor:
    """Looks at one connection."""

    def __init__(self, config: SalesforceConfig, client: SalesforceClient, schema: Schema) -> None:
        self._config = config
        self._client = client
        self._schema = schema

    def diagnose(self) -> Iterator[Diagnosis]:
        """Every line; after a refused token there is nothing more to look at."""
        first = _looked(("credentials", self._credentials))
        yield first
        if first.status == "failed":
            return
        wants_app = self._config.target != "comment"
        rest = (
            ("api_version", self._api_version),
            ("permissions", self._permissions),
            ("limits", self._limits),
            (MAY_WRITE, self._may_write),
            *((("app", self._app), ("app_version", self._app_version)) if wants_app else ()),
            ("notices", self._notices),
        )
        yield from map(_looked, rest)

    def provision(self) -> Iterable[Step]:
        """What the org needs. Nothing of it can be made through the REST API: an admin deploys or clicks it."""
        may = self._schema.learned()
        if self._config.target != "comment":
            yield Step(
                name="app",
                status="present" if may.has_app and may.has_states else "manual",
                detail="The package with AI_Draft__c, the fields of Case and the component of the case page.",
            )
        yield Step(
            name="outbound_messages",
            status="manual",
            detail="A flow that sends an Outbound Message for Case and EmailMessage to the webhook address.",
        )
        if self._config.apex_secrets:
            yield Step(
                name="named_credential",
                status="manual",
                detail="The named credential crm_bridge; the first of apex_secrets stands in CRM Bridge Settings.",
            )

    # --- lines ----------------------------------------------------------------------------------------------------

    def _credentials(self) -> Diagnosis:
        who = self._client.me()
        if not who.organization:
            return _warning("credentials", "The token is accepted, but not whose it is.", "Use another kind of auth.")
        return _ok("credentials", "The org accepts our credentials, and it is the configured one.")

    def _api_version(self) -> Diagnosis:
        known = {str(one.get("version")) for one in self._client.get("versions", "/") if isinstance(one, dict)}
        wanted = self._config.api_version
        if wanted in known:
            return _ok("api_version", f"The org speaks version {wanted}.")
        return _failed("api_version", f"The org does not speak version {wanted}.", "Set api_version to one it speaks.")

    def _permissions(self) -> Diagnosis:
        missing = [one.name for one in self._schema.again().unreadable()]
        if not missing:
            return _ok("permissions", "Every field that is read can be read.")
        named = ", ".join(missing[:15]) + (" and more" if len(missing) > 15 else "")
        return _warning("permissions", f"Not readable: {named}.", "Give this user read access to these fields.")

    def _limits(self) -> Diagnosis:
        daily: Any = self._client.get("limits", self._client.data_path("/limits"))["DailyApiRequests"]
        used, total = int(daily["Max"]) - int(daily["Remaining"]), int(daily["Max"])
        said = f"{used} of {total} calls of the last 24 hours are used, by all programs together."
        if total and used / total >= self._config.max_daily_share:
            return _warning("limits", said, "Drafting stops until fewer are used; see max_daily_share.")
        return _ok("limits", said)

    def _may_write(self) -> Diagnosis:
        """`failed` only when that is certain: `--read-only` takes it for a proof."""
        may = self._schema.learned()
        writable = [kind for kind in _WRITABLE if may.createable.get(kind) or may.updateable.get(kind)]
        if not writable:
            said = "This user may create and change neither drafts nor cases, comments or mails."
            return _failed(MAY_WRITE, said, "Assign the package's permission set.")
        return _ok(MAY_WRITE, f"This user may write: {', '.join(writable)}.")

    def _app(self) -> Diagnosis:
        may = self._schema.learned()
        if not may.has_app:
            how = _failed if self._config.target == "record" else _warning
            said = "The package is not installed, or this user may not see its drafts"
            then = "." if self._config.target == "record" else ": drafts are internal comments meanwhile."
            return how("app", said + then, _INSTALL)
        lacking = sorted(set(DRAFT_WRITTEN) - may.createable[DRAFT]) or (
            [] if "Status__c" in may.updateable[DRAFT] else ["Status__c"]
        )
        if lacking:
            return _warning("app", f"Drafts cannot be written: {', '.join(lacking)}.", _ASSIGN)
        if not may.has_states:
            return _warning("app", "The CRMB fields of Case cannot be written.", _ASSIGN)
        return _ok("app", "The package is there: drafts and states can be written.")

    def _app_version(self) -> Diagnosis:
        if not self._schema.learned().has_app:
            return _warning("app_version", "The package is not there.", _INSTALL)
        found = self._client.query("app_version", _VERSION_QUERY)
        version = str(found[0].get("Version__c") or "") if found else ""
        if version == APP_VERSION or version.startswith(f"{APP_VERSION}."):
            return _ok("app_version", f"The deployed package has version {version}.")
        said = f"The deployed package has version {version or 'unknown'}."
        return _warning("app_version", said, f"Deploy version {APP_VERSION}.x of crm_app.")

    def _notices(self) -> Diagnosis:
        secrets = len(self._config.path_tokens)
        told = "decisions are told by a signed notice" if self._config.apex_secrets else "decisions are polled for"
        return _ok("notices", f"{secrets} secret(s) for the path of Outbound Messages; {told}.")


def _looked(line: tuple[str, Callable[[], Diagnosis]]) -> Diagnosis:
    """The line, or why it could not be looked at."""
    name, look = line
    try:
        return look()
    except OutboundError as error:
        return _failed(name, f"It could not be looked at ({error.code}).", _what_to_do(error))
    except (LookupError, TypeError, ValueError, AttributeError):
        return _failed(name, "The org answered something else than its documentation says.", "Look at base_url.")


def _what_to_do(error: OutboundError) -> str:
    if isinstance(error, Reauthenticate):
        return _BY_CODE.get(error.code, "Look at the credentials of this connection and at the app they belong to.")
    return "Try again later." if isinstance(error, Retry) else "Look at base_url and at this user's permissions."


_BY_CODE = {
    "other_org": "The credentials belong to another org: correct organization_id or the credentials.",
    "other_instance": "Set base_url to the My Domain address of this org.",
    "ended": "Put a fresh access_token into the configuration, or use another kind of auth.",
    "invalid_session_id": 'The token has ended or may not use the API: give this user "API Enabled".',
}


def _ok(check: str, detail: str) -> Diagnosis:
    return Diagnosis(check=check, status="ok", detail=detail)


def _warning(check: str, detail: str, action: str) -> Diagnosis:
    return Diagnosis(check=check, status="warning", detail=detail, action=action)


def _failed(check: str, detail: str, action: str) -> Diagnosis:
    return Diagnosis(check=check, status="failed", detail=detail, action=action)
