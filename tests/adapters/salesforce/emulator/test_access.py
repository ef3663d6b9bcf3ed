"""Who may call, how often, and what every refusal looks like."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from crm_bridge.kit.emulation import FaultRule
from crm_bridge_salesforce.emulator import SalesforceCrm
from crm_bridge_salesforce.emulator.sessions import JWT_BEARER

TOKEN = "/services/oauth2/token"


def ask(api: Any, form: dict[str, str], *, basic: str = "", path: str = TOKEN) -> tuple[int, Any]:
    headers = {"Authorization": f"Basic {base64.b64encode(basic.encode()).decode()}"} if basic else {}
    reply = api._client.post(path, data=form, headers=headers)
    return reply.status_code, reply.get_json(silent=True)


def own(crm: SalesforceCrm, **more: str) -> dict[str, str]:
    known = {"client_id": crm.client.client_id, "client_secret": crm.client.client_secret}
    return {"grant_type": "client_credentials", **known, **more}


def assertion(crm: SalesforceCrm, *, algorithm: str = "RS256", **changed: Any) -> str:
    user = crm.org.store.get(crm.org.people.integration) or {}
    claims = {"iss": crm.client.client_id, "sub": user["Username"], "aud": "https://login.salesforce.com"}
    claims |= {"exp": str(int((crm.clock.now() + timedelta(minutes=3)).timestamp()))} | changed
    parts = [_part({"alg": algorithm}), _part(claims)]
    signed = ".".join(parts).encode()
    signature = crm.org.keys.private.sign(signed, padding.PKCS1v15(), hashes.SHA256())
    return ".".join([*parts, _text(signature)])


def test_client_credentials_give_a_token_that_works(api: Any, crm: SalesforceCrm) -> None:
    status, given = ask(api, own(crm))
    assert (status, given["token_type"]) == (200, "Bearer")
    assert {"access_token", "instance_url", "id", "issued_at", "signature", "scope"} <= set(given)
    assert not {"refresh_token", "expires_in"} & set(given)
    api.token = given["access_token"]
    assert api("GET", "/limits").status == 200
    basic = f"{crm.client.client_id}:{crm.client.client_secret}"
    assert ask(api, {"grant_type": "client_credentials"}, basic=basic)[0] == 200


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"client_secret": "no"}, "invalid_client"),
        ({"client_id": "no"}, "invalid_client_id"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": ""}, "unsupported_grant_type"),
    ],
)
def test_a_token_is_refused_with_an_oauth_error(shared: Any, changed: Any, error: str) -> None:
    status, given = ask(shared, own(shared.crm, **changed))
    assert (status, given["error"], set(given)) == (400, error, {"error", "error_description"})


def test_a_signed_assertion_gives_a_session_of_its_subject(api: Any, crm: SalesforceCrm) -> None:
    ana = crm.org.people.user("Ana Agent")
    form = {"grant_type": JWT_BEARER, "assertion": assertion(crm, sub=ana["Username"])}
    status, given = ask(api, form)
    assert status == 200
    assert crm.org.sessions.user_of(given["access_token"]) == ana["Id"]


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"algorithm": "none"}, "invalid_grant"),
        ({"algorithm": "HS256"}, "invalid_grant"),
        ({"aud": "https://evil.example"}, "invalid_grant"),
        ({"sub": "nobody@org.example"}, "invalid_grant"),
        ({"exp": 1}, "invalid_grant"),
        ({"exp": "soon"}, "invalid_grant"),
        ({"exp": 99_999_999_999}, "invalid_grant"),
        ({"iss": "other"}, "invalid_client_id"),
    ],
)
def test_an_assertion_that_is_not_right_is_refused(shared: Any, changed: Any, error: str) -> None:
    status, given = ask(shared, {"grant_type": JWT_BEARER, "assertion": assertion(shared.crm, **changed)})
    assert (status, given["error"]) == (400, error)


@pytest.mark.parametrize("garbled", ["", "a.b", "a.b.c", "....", "é.b.c", "x" * 20_000])
def test_what_is_no_assertion_is_refused(shared: Any, garbled: str) -> None:
    assert ask(shared, {"grant_type": JWT_BEARER, "assertion": garbled})[0] == 400


def test_an_assertion_that_was_changed_is_refused(shared: Any) -> None:
    head, _, signature = assertion(shared.crm).split(".")
    other = assertion(shared.crm, sub="admin@org.example").split(".")[1]
    assert ask(shared, {"grant_type": JWT_BEARER, "assertion": f"{head}.{other}.{signature}"})[0] == 400


def test_sessions_end(api: Any, crm: SalesforceCrm) -> None:
    assert api("GET", "/limits").status == 200
    crm.expire_tokens()
    ended = api("GET", "/limits")
    assert (ended.status, ended.body) == (
        401,
        [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}],
    )
    api.token = crm.org.sessions.open(crm.org.people.integration)
    crm.clock.advance(timedelta(hours=2, seconds=1))
    assert api("GET", "/limits").code == "INVALID_SESSION_ID"
    api.token = crm.org.sessions.open(crm.org.people.integration)
    assert ask(api, {"token": api.token}, path="/services/oauth2/introspect")[1]["active"] is True
    assert ask(api, {"token": api.token}, path="/services/oauth2/revoke")[0] == 200
    assert ask(api, {"token": api.token}, path="/services/oauth2/introspect")[1] == {"active": False}
    assert api("GET", "/limits").status == 401


@pytest.mark.parametrize(
    ("header", "code"),
    [("", "INVALID_SESSION_ID"), ("Basic abc", "INVALID_AUTH_HEADER"), ("Bearer", "INVALID_SESSION_ID")],
)
def test_a_call_without_a_session_is_refused(shared: Any, header: str, code: str) -> None:
    reply = shared("GET", "/limits", headers={"Authorization": header})
    assert (reply.status, reply.code) == (401, code)


def test_anybody_may_ask_for_the_versions(api: Any) -> None:
    reply = api("GET", "/services/data/", headers={"Authorization": ""})
    newest = reply.body[-1]
    assert newest == {"label": "Summer '26", "url": "/services/data/v67.0", "version": "67.0"}
    assert {"label": "Spring '26", "url": "/services/data/v66.0", "version": "66.0"} in reply.body


def test_who_calls_is_found_from_the_resources(api: Any, crm: SalesforceCrm) -> None:
    resources = api("GET", "").body
    assert resources["sobjects"] == "/services/data/v66.0/sobjects"
    user = api("GET", "/id/" + resources["identity"].partition("/id/")[2]).body
    assert user["user_id"] == crm.org.people.integration
    assert api("GET", f"/id/{crm.org.people.organization_id}/nobody").status == 404


def test_every_answer_says_what_is_used_up(api: Any, crm: SalesforceCrm) -> None:
    assert api("GET", "/limits").headers["Sforce-Limit-Info"] == "api-usage=1/100000"
    assert api("GET", "/sobjects/Nothing").headers["Sforce-Limit-Info"] == "api-usage=2/100000"
    assert api("GET", "/limits").body["DailyApiRequests"] == {"Max": 100_000, "Remaining": 99_998}
    crm.faults.add(FaultRule(operation="limits", status=503))
    broken = api("GET", "/limits")
    assert (broken.status, broken.code, broken.headers["Sforce-Limit-Info"]) == (
        503,
        "SERVER_UNAVAILABLE",
        "api-usage=3/100000",
    )


def test_beyond_the_allowance_nothing_is_done(api_of: Any) -> None:
    crm = SalesforceCrm(requests_a_day=2)
    api = api_of(crm)
    assert [api("GET", "/limits").status for _ in range(3)] == [200, 200, 403]
    reply = api("POST", "/sobjects/Account", {"Name": "x"})
    assert (reply.status, reply.body) == (
        403,
        [{"message": "TotalRequests Limit exceeded.", "errorCode": "REQUEST_LIMIT_EXCEEDED"}],
    )
    assert "Retry-After" not in reply.headers
    crm.clock.advance(timedelta(days=1))
    api.token = crm.org.sessions.open(crm.org.people.integration)
    assert api("GET", "/limits").status == 200
    crm.stop()


@pytest.mark.parametrize(
    ("rule", "status", "code"),
    [
        (FaultRule(rate_limit="TotalRequests"), 403, "REQUEST_LIMIT_EXCEEDED"),
        (FaultRule(rate_limit="ConcurrentRequests"), 403, "REQUEST_LIMIT_EXCEEDED"),
        (FaultRule(status=400), 400, "UNABLE_TO_LOCK_ROW"),
        (FaultRule(status=500), 500, "UNKNOWN_EXCEPTION"),
        (FaultRule(operation="composite", status=503), 503, "SERVER_UNAVAILABLE"),
        (FaultRule(expire_token=True), 401, "INVALID_SESSION_ID"),
        (FaultRule(status=401), 401, "INVALID_SESSION_ID"),
    ],
)
def test_faults_have_the_form_of_this_api(
    api: Any, crm: SalesforceCrm, rule: FaultRule, status: int, code: str
) -> None:
    crm.faults.add(rule)
    reply = api("POST", "/composite", {"compositeRequest": []})
    assert (reply.status, reply.code) == (status, code)
    assert ("Concurrent" in reply.body[0]["message"]) == (rule.rate_limit == "ConcurrentRequests")


def test_a_mail_goes_out_by_an_action(api: Any, crm: SalesforceCrm) -> None:
    case = crm.open_case("Hello", "x")
    given = {"emailAddresses": "ann@example.org", "emailSubject": "Re: Hello", "emailBody": "Done."}
    inputs = [{**given, "relatedRecordId": case.id, "logEmailOnSend": True}, {"emailBody": "no subject"}]
    reply = api("POST", "/actions/standard/emailSimple", {"inputs": inputs})
    assert (reply.status, [one["isSuccess"] for one in reply.body]) == (200, [True, False])
    assert [one.text for one in crm.thread(case)] == ["x", "Done."]
    assert api("POST", "/actions/standard/emailSimple", {"inputs": inputs[1:]}).status == 400


def _part(document: Any) -> str:
    return _text(json.dumps(document).encode())


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
