"""Tokens: three ways to get one, whose it is, once for everybody, and never for another host."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import jwt
import pytest
from pytest_httpserver import HTTPServer
from salesforce_tables import APEX_SECRET, ORGANIZATION, PATH_TOKEN, table

from crm_bridge.contract import (
    CaseContext,
    CaseRef,
    DraftRef,
    Fingerprint,
    ForeignRef,
    InvalidConfig,
    NotACase,
    Permanent,
    Reauthenticate,
    Retry,
)
from crm_bridge.testing.wire import Elsewhere
from crm_bridge_salesforce.adapter import SalesforceAdapter
from crm_bridge_salesforce.emulator.handle import SalesforceCrm
from crm_bridge_salesforce.schemas import checked

Connect = Callable[..., SalesforceAdapter]
PROCESS = Path(__file__).parents[2] / "support" / "salesforce_reading_process.py"
THREADS = 8
TOKEN = "/services/oauth2/token"
USER = "005Wx0000000001IAA"


def granted(server: HTTPServer, **changes: Any) -> dict[str, Any]:
    return {
        "access_token": "00D!token",
        "instance_url": server.url_for("").rstrip("/"),
        "id": f"https://login.salesforce.com/id/{ORGANIZATION}/{USER}",
        "token_type": "Bearer",
        "issued_at": "1790000000000",
        "signature": "c2ln",
        **changes,
    }


def connected(connect: Connect, server: HTTPServer, **changes: Any) -> SalesforceAdapter:
    return connect(table(base_url=server.url_for("").rstrip("/"), **changes))


def read(adapter: SalesforceAdapter) -> Any:
    return adapter.read_case(CaseRef(id="500Wx0000000001IAA"))


# --- grants -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("auth", ["client_credentials", "jwt", "token"])
def test_each_kind_of_credentials_reads_a_case(connect: Connect, org: SalesforceCrm, auth: str) -> None:
    case = org.open_case("Sign-in", "I cannot sign in.")
    given = {
        "client_credentials": {},
        "jwt": {
            "username": org.org.store.live(org.org.people.integration)["Username"],
            "private_key": org.org.keys.private_pem,
        },
        "token": {"access_token": org.org.sessions.open(org.org.people.integration)},
    }[auth]
    adapter = connect({**org.config, "auth": auth, **given}, clock=org.clock)
    assert isinstance(adapter.read_case(case), CaseContext)


def test_an_assertion_names_app_user_and_login_host(
    connect: Connect, httpserver: HTTPServer, org: SalesforceCrm
) -> None:
    httpserver.expect_oneshot_request(TOKEN, method="POST").respond_with_json(
        {"error": "invalid_grant", "error_description": "user hasn't approved this consumer"}, status=400
    )
    more = {"auth": "jwt", "username": "bridge@example.com", "private_key": org.org.keys.private_pem}
    adapter = connected(connect, httpserver, login_url=httpserver.url_for("").rstrip("/"), **more)
    with pytest.raises(Reauthenticate):
        read(adapter)
    (request, _), *_ = httpserver.log
    claims = jwt.decode(
        request.form["assertion"], org.org.keys.public, algorithms=["RS256"], audience=httpserver.url_for("")[:-1]
    )
    assert (claims["iss"], claims["sub"]) == ("client", "bridge@example.com")


@pytest.mark.parametrize(
    ("status", "document", "expected"),
    [
        (400, {"error": "invalid_grant", "error_description": "user hasn't approved this consumer"}, Reauthenticate),
        (400, {"error": "invalid_client_id"}, Reauthenticate),
        (401, {"error": "invalid_client"}, Reauthenticate),
        (400, {"error": "unknown_error"}, Permanent),
        (503, {"error": "temporarily_unavailable"}, Retry),
        (200, {"no": "token"}, Permanent),
        (200, [], Permanent),
    ],
)
def test_what_the_token_endpoint_refuses_is_named(
    connect: Connect, httpserver: HTTPServer, status: int, document: Any, expected: type[Exception]
) -> None:
    httpserver.expect_request(TOKEN).respond_with_json(document, status=status)
    with pytest.raises(expected):
        read(connected(connect, httpserver))


def test_credentials_of_another_org_are_refused_by_name(connect: Connect, httpserver: HTTPServer) -> None:
    other = f"https://login.salesforce.com/id/00DOther0000001MAA/{USER}"
    httpserver.expect_request(TOKEN).respond_with_json(granted(httpserver, id=other))
    with pytest.raises(Reauthenticate) as raised:
        read(connected(connect, httpserver))
    assert raised.value.code == "other_org"
    assert len(httpserver.log) == 1, "nothing was asked with a token of somebody else's org"


def test_a_token_for_another_instance_is_never_used(connect: Connect, httpserver: HTTPServer) -> None:
    httpserver.expect_request(TOKEN).respond_with_json(granted(httpserver, instance_url="https://evil.test"))
    with pytest.raises(Reauthenticate) as raised:
        read(connected(connect, httpserver))
    assert raised.value.code == "other_instance"
    assert len(httpserver.log) == 1


def test_a_refused_token_is_replaced_once_and_the_call_made_once_more(connect: Connect, httpserver: HTTPServer) -> None:
    httpserver.expect_request(TOKEN).respond_with_json(granted(httpserver))
    refused = [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}]
    httpserver.expect_request("/services/data/v66.0/composite").respond_with_json(refused, status=401)
    with pytest.raises(Reauthenticate):
        read(connected(connect, httpserver))
    paths = [request.path for request, _ in httpserver.log]
    assert paths == [TOKEN, "/services/data/v66.0/composite", TOKEN], "the very token it refused is not tried again"


def test_a_given_token_that_ended_asks_for_a_person(connect: Connect, org: SalesforceCrm) -> None:
    token = org.org.sessions.open(org.org.people.integration)
    adapter = connect({**org.config, "auth": "token", "access_token": token}, clock=org.clock)
    case = org.open_case("Sign-in", "I cannot sign in.")
    adapter.read_case(case)
    org.expire_tokens()
    with pytest.raises(Reauthenticate) as raised:
        adapter.read_case(case)
    assert token not in f"{raised.value} {raised.value!r}"


# --- once for everybody -------------------------------------------------------------------------------------------


@pytest.fixture
def processes(tmp_path: Path, org: SalesforceCrm) -> Iterator[list[subprocess.Popen[str]]]:
    """Two processes that share their tokens and read one case with eight threads each when told to."""
    case = org.open_case("Sign-in", "I cannot sign in.")
    org.clock.run()
    arguments = [sys.executable, str(PROCESS), str(tmp_path), case.id, str(THREADS)]
    with ExitStack() as stack:
        made = [
            stack.enter_context(
                subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
            )
            for _ in range(2)
        ]
        for one in made:
            _say(one, json.dumps(dict(org.config)))
        assert [_line(one) for one in made] == ["ready"] * 2
        yield made
        for one in made:
            one.kill()


def test_sixteen_threads_of_two_processes_with_an_ended_token_log_in_once(
    org: SalesforceCrm, processes: list[subprocess.Popen[str]]
) -> None:
    for _ in range(2):
        org.expire_tokens()
        before = org.calls["token"]
        for one in processes:
            _say(one, "go")
        assert [_line(one) for one in processes] == [str(THREADS)] * 2
        assert org.calls["token"] - before == 1


def _say(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{line}\n")
    process.stdin.flush()


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


# --- nowhere else -------------------------------------------------------------------------------------------------


@pytest.fixture
def elsewhere() -> Iterator[Elsewhere]:
    host = Elsewhere()
    yield host
    host.stop()


def test_an_absolute_url_for_an_id_takes_no_token_anywhere(
    connect: Connect, org: SalesforceCrm, elsewhere: Elsewhere
) -> None:
    adapter = connect(org.config, clock=org.clock)
    before = org.calls.total
    for url in (f"{elsewhere.base_url}/x", elsewhere.base_url.replace("http:", "https:"), "//evil.test/x", "../../x"):
        assert isinstance(adapter.read_case(CaseRef(id=url)), NotACase)
        assert isinstance(adapter.resolve(CaseRef(id=url)), NotACase)
        assert isinstance(adapter.resolve(ForeignRef(kind="EmailMessage", id=url)), NotACase)
        ref = DraftRef(id=url, fingerprint=Fingerprint(value="x"))
        for call in (adapter.read_draft, lambda given: adapter.withdraw_draft(given, given.fingerprint)):
            with pytest.raises(Permanent):
                call(ref)
    assert (elsewhere.visits, org.calls.total - before) == (0, 0)


def test_a_next_page_on_another_host_is_never_asked_for(
    connect: Connect, httpserver: HTTPServer, elsewhere: Elsewhere
) -> None:
    httpserver.expect_request(TOKEN).respond_with_json(granted(httpserver))
    adapter = connected(connect, httpserver)
    for place in (
        f"{elsewhere.base_url}/services/data/v66.0/query/01g-200",
        "/services/data/v66.0/../../x",
        "//x/y",
        7,
    ):
        with pytest.raises(Permanent):
            adapter._client.records("q", {"records": [], "done": False, "nextRecordsUrl": place})
    assert elsewhere.visits == 0
    assert not httpserver.log


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirected_login_takes_no_secret_along(
    connect: Connect, httpserver: HTTPServer, elsewhere: Elsewhere, status: int
) -> None:
    httpserver.expect_request(TOKEN).respond_with_data(
        "", status=status, headers={"Location": f"{elsewhere.base_url}{TOKEN}"}
    )
    with pytest.raises((Retry, Permanent)):
        read(connected(connect, httpserver))
    assert elsewhere.visits == 0


# --- the table ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"base_url": "http://127.0.0.1:9/path"}, "base_url"),
        ({"base_url": "http://user@127.0.0.1:9"}, "base_url"),
        ({"organization_id": "500Wx0000000001IAA"}, "organization_id"),
        ({"organization_id": "https://evil.test"}, "organization_id"),
        ({"api_version": "66"}, "api_version"),
        ({"api_version": "66.0/../.."}, "api_version"),
        ({"auth": "password"}, "auth"),
        ({"auth": "jwt"}, "username"),
        ({"auth": "jwt", "username": "u", "private_key": "no key"}, "private_key"),
        ({"auth": "token"}, "access_token"),
        ({"client_secret": ""}, "client_secret"),
        ({"webhook_secrets": []}, "webhook_secrets"),
        ({"webhook_secrets": ["short"]}, "webhook_secrets.0"),
        ({"webhook_secrets": ["a" * 30 + "/b"]}, "webhook_secrets.0"),
        ({"apex_secrets": ["short"]}, "apex_secrets.0"),
        ({"target": "email"}, "target"),
        ({"max_daily_share": 2}, "max_daily_share"),
    ],
)
def test_a_wrong_setting_is_refused_by_its_path(connect: Connect, changes: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidConfig) as raised:
        connect(table(**changes))
    assert raised.value.path == path
    assert not any(str(value) in str(raised.value) for value in changes.values() if len(str(value)) > 12)


def test_the_organization_is_the_remote_id_in_its_full_spelling(connect: Connect) -> None:
    assert connect(table(organization_id=ORGANIZATION[:15])).remote_id == ORGANIZATION


def test_nothing_secret_is_in_a_repr() -> None:
    shown = repr(checked(table()))
    assert not any(secret in shown for secret in ("a client secret", PATH_TOKEN, APEX_SECRET))
