"""What an org says of itself: versions, resources, limits, who calls, what was used last."""

from __future__ import annotations

from typing import Any

from flask import request

from crm_bridge.kit.emulation import HttpAnswer
from crm_bridge_salesforce.emulator.org import Org
from crm_bridge_salesforce.emulator.rest.sobjects import SObjects
from crm_bridge_salesforce.emulator.rest.wire import Route, answer, base, caller

OLDEST, NEWEST = 31, 67
_SEASONS = ("Spring", "Summer", "Winter")
_RESOURCES = (
    "sobjects", "query", "queryAll", "search", "parameterizedSearch", "composite", "limits", "recent", "tabs", "theme",
    "actions", "quickActions",
)  # fmt: skip
_LIMITS = {
    "ConcurrentAsyncGetReportInstances": 200,
    "DailyAsyncApexExecutions": 250_000,
    "DailyWorkflowEmails": 100_000,
    "DataStorageMB": 1024,
    "FileStorageMB": 1024,
    "HourlyTimeBasedWorkflow": 1000,
    "MassEmail": 5000,
    "SingleEmail": 5000,
}


class Resources:
    """The operations, on one org."""

    def __init__(self, org: Org, sobjects: SObjects) -> None:
        self._org = org
        self._sobjects = sobjects

    @property
    def routes(self) -> tuple[Route, ...]:
        """Their table."""
        return (
            Route("GET", "", "resources", self.resources),
            Route("GET", "/limits", "limits", self.limits),
            Route("GET", "/recent", "recent", self.recent),
            Route("GET", "/tabs", "tabs", self.tabs),
            Route("GET", "/theme", "theme", self.theme),
        )

    def versions(self) -> HttpAnswer:
        """Every version there is; anybody may ask."""
        return answer(200, [_version(number) for number in range(OLDEST, NEWEST + 1)])

    def resources(self) -> HttpAnswer:
        """Where things are in one version."""
        identity = f"{request.host_url}id/{self._org.people.organization_id}/{caller()}"
        return answer(200, {name: f"{base()}/{name}" for name in _RESOURCES} | {"identity": identity})

    def limits(self) -> HttpAnswer:
        """What is left of what."""
        known = {name: {"Max": most, "Remaining": most} for name, most in _LIMITS.items()}
        most = self._org.requests_a_day
        known["DailyApiRequests"] = {"Max": most, "Remaining": max(0, most - self._org.requests_used)}
        return answer(200, known)

    def identity(self, organization: str, user: str) -> HttpAnswer:
        """Who a user is."""
        row = self._org.store.live(user)
        if row is None or organization != self._org.people.organization_id:
            return answer(404, {"error": "not_found"})
        home = f"https://login.salesforce.com/id/{organization}/{user}"
        photo = f"{request.host_url}profilephoto/005"
        photos = {"picture": f"{photo}/F", "thumbnail": f"{photo}/T"}
        names = {"first_name": row["FirstName"], "last_name": row["LastName"], "display_name": row["Name"]}
        document: dict[str, Any] = {"id": home, "asserted_user": True, "user_id": user, "organization_id": organization}
        document |= {"username": row["Username"], "email": row["Email"], "email_verified": True, **names}
        document |= {"nick_name": row["Alias"], "timezone": row["TimeZoneSidKey"], "photos": photos}
        rest = f"{request.host_url}services/data/v{{version}}/"
        urls = {"rest": rest, "sobjects": f"{rest}sobjects/", "query": f"{rest}query/", "search": f"{rest}search/"}
        document |= {"urls": urls, "active": row["IsActive"], "user_type": "STANDARD", "language": "en_US"}
        return answer(200, document | {"locale": "en_US", "utcOffset": 0, "is_app_installed": True})

    def recent(self) -> HttpAnswer:
        """Records of every object with a tab, by their last change."""
        most = min(int(text), 200) if (text := request.args.get("limit", "")).isdigit() else 200
        known = [one for one in self._org.schema.objects if one.document.get("mruEnabled") and one.name == "Account"]
        return answer(200, [row for one in known for row in self._sobjects.recent(one, most)][:most])

    def tabs(self) -> HttpAnswer:
        """What agents see along the top."""
        known = [one for one in self._org.schema.objects if one.document.get("mruEnabled")]
        return answer(200, [self._tab(one.name, one.label) for one in known])

    def theme(self) -> HttpAnswer:
        """Colours and pictures of objects."""
        color = {"color": "4BC076", "context": "primary", "theme": "theme4"}
        known = [one for one in self._org.schema.objects if one.document.get("mruEnabled")]
        return answer(200, {"themeItems": [{"name": one.name, "colors": [color], "icons": []} for one in known]})

    def _tab(self, name: str, label: str) -> dict[str, Any]:
        urls = {"rowTemplate": f"{base()}/sobjects/{name}/{{ID}}", "sobject": f"{base()}/sobjects/{name}"}
        tab = {"colors": [], "icons": [], "custom": name.endswith("__c"), "label": label, "name": f"standard-{name}"}
        return tab | {"sobjectName": name, "url": f"{request.host_url}lightning/o/{name}/home", "urls": urls}


def _version(number: int) -> dict[str, str]:
    # v31.0 came in Summer '14; three come each year.
    year, season = divmod(number - 30, 3)
    label = f"{_SEASONS[season]} '{14 + year + (season == 2):02}"
    return {"label": label, "url": f"/services/data/v{number}.0", "version": f"{number}.0"}
