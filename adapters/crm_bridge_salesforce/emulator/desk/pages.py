"""The pages under `/desk/`: list of cases, case page, new case. Close to Salesforce, and said not to be it.

It owns routes and forms. What a person does is `acting.py`'s, what the component asks for is `component.py`'s.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from flask import Blueprint, abort, redirect, render_template, request, session, url_for
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as AnyResponse

from crm_bridge.kit.emulation import HttpAnswer, Record, json_answer
from crm_bridge_salesforce.emulator.apex import Apex
from crm_bridge_salesforce.emulator.desk.acting import Acting
from crm_bridge_salesforce.emulator.desk.component import Component, bundle_file
from crm_bridge_salesforce.emulator.desk.safety import protect
from crm_bridge_salesforce.emulator.desk.views import Row, case_page, key, rows
from crm_bridge_salesforce.emulator.errors import Refused
from crm_bridge_salesforce.emulator.org import Org

DESK = "desk"
"""The blueprint: its endpoints are no operations of the API."""
_USER = "user"


def desk_pages(org: Org, apex: Apex, *, host: str) -> Blueprint:
    """The blueprint under `/desk/`. `host`: a name it answers under, besides loopback."""
    folders: dict[str, Any] = {"template_folder": "templates", "static_folder": "static", "static_url_path": "/static"}
    blueprint = Blueprint(DESK, __name__, url_prefix="/desk", **folders)
    protect(blueprint, host)
    pages = _Pages(org, apex)
    for rule, method, view in pages.routes():
        blueprint.add_url_rule(rule, view_func=view, methods=[method])
    blueprint.add_app_template_filter(key, "key")
    blueprint.register_error_handler(Refused, _not_done)
    blueprint.register_error_handler(HTTPException, _problem)
    return blueprint


class _Pages:
    """The views. Who looks is in the session: this org has no sign-in for people."""

    def __init__(self, org: Org, apex: Apex) -> None:
        self._org = org
        self._acting = Acting(org)
        self._component = Component(org, apex)

    def routes(self) -> tuple[tuple[str, str, Any], ...]:
        return (
            ("/", "GET", self.cases),
            ("/api/cases", "GET", self.states),
            ("/bundle/<name>", "GET", self.bundle),
            ("/articles/<article_id>", "GET", self.article),
            ("/user", "POST", self.choose_user),
            ("/new", "GET", self.new_case),
            ("/new", "POST", self.create_case),
            ("/cases/<case_id>", "GET", self.case),
            ("/cases/<case_id>/component", "GET", self.component),
            ("/cases/<case_id>/decide", "POST", self.decide),
            ("/cases/<case_id>/reply", "POST", self.start_reply),
            ("/cases/<case_id>/customer", "POST", self.customer_writes),
            ("/cases/<case_id>/status", "POST", self.set_status),
            ("/mails/<mail_id>/send", "POST", self.send),
            ("/mails/<mail_id>/discard", "POST", self.discard),
        )

    # --- pages ----------------------------------------------------------------------------------------------------

    def cases(self) -> str:
        return render_template("salesforce/cases.html", **self._shell(), rows=rows(self._org))

    def case(self, case_id: str) -> str:
        shell, case = self._shell(), self._case(case_id)
        page = case_page(self._org, case, shell["user"]["Id"])
        return render_template("salesforce/case.html", **shell, case=page, installed=self._org.has("AI_Draft__c"))

    def new_case(self) -> str:
        return render_template("salesforce/new.html", **self._shell())

    def article(self, article_id: str) -> str:
        article = self._record("ka0", article_id)
        return render_template("salesforce/article.html", **self._shell(), article=article)

    # --- for programs ---------------------------------------------------------------------------------------------

    def states(self) -> HttpAnswer:
        """`[{id, number, subject, state: {kind, reason}}]`: the list for programs."""
        return json_answer(200, [_listed(one) for one in rows(self._org)])

    def bundle(self, name: str) -> HttpAnswer:
        return bundle_file(name) or abort(HTTPStatus.NOT_FOUND)

    def component(self, case_id: str) -> HttpAnswer:
        return json_answer(200, self._component.view(self._case(case_id)))

    def decide(self, case_id: str) -> HttpAnswer:
        return self._component.decide(self._case(case_id), self._user()["Id"])

    def start_reply(self, case_id: str) -> HttpAnswer:
        return self._component.start_reply(self._case(case_id), self._user()["Id"])

    # --- forms ----------------------------------------------------------------------------------------------------

    def choose_user(self) -> AnyResponse:
        session[_USER] = request.form.get("user", "")[:18]
        case = self._org.store.live(request.form.get("case", ""))
        return _to_case(case["Id"]) if case is not None else redirect(url_for("desk.cases"), HTTPStatus.SEE_OTHER)

    def create_case(self) -> AnyResponse:
        return _to_case(self._acting.new_case(request.form))

    def customer_writes(self, case_id: str) -> AnyResponse:
        self._acting.customer_writes(self._case(case_id), request.form)
        return _to_case(case_id)

    def set_status(self, case_id: str) -> AnyResponse:
        self._acting.set_status(self._case(case_id), request.form.get("status", ""), self._user()["Id"])
        return _to_case(case_id)

    def send(self, mail_id: str) -> AnyResponse:
        mail, user = self._mail(mail_id), self._user()["Id"]
        self._acting.send(mail, request.form, user)
        return _to_case(mail["ParentId"])

    def discard(self, mail_id: str) -> AnyResponse:
        mail, user = self._mail(mail_id), self._user()["Id"]
        self._acting.discard(mail, user)
        return _to_case(mail["ParentId"])

    # --- what several of them share -------------------------------------------------------------------------------

    def _shell(self) -> dict[str, Any]:
        users = self._acting.users()
        return {"users": users, "user": self._user(users)}

    def _user(self, users: list[Record] | None = None) -> Record:
        known = users or self._acting.users()
        return next((one for one in known if one["Id"] == session.get(_USER)), known[0])

    def _case(self, case_id: str) -> Record:
        return self._record("500", case_id)

    def _mail(self, mail_id: str) -> Record:
        mail = self._record("02s", mail_id)
        return mail if self._org.sees(self._user()["Id"], mail) else abort(HTTPStatus.NOT_FOUND)

    def _record(self, prefix: str, record_id: str) -> Record:
        record = self._org.store.live(record_id) if record_id.startswith(prefix) else None
        return record if record is not None else abort(HTTPStatus.NOT_FOUND)


def lightning_links() -> Blueprint:
    """Where links of the product lead: `/lightning/r/<object>/<id>/view`, to the page of this desk."""
    links = Blueprint("lightning", __name__)
    links.add_url_rule("/lightning/r/Case/<case_id>/view", "case", _to_case)
    links.add_url_rule("/lightning/r/Knowledge__kav/<article_id>/view", "article", _to_article)
    return links


def _to_article(article_id: str) -> AnyResponse:
    return redirect(url_for("desk.article", article_id=article_id), HTTPStatus.SEE_OTHER)


def _listed(row: Row) -> dict[str, Any]:
    state = {"kind": row.state, "reason": row.reason}
    return {"id": row.id, "number": row.number, "subject": row.subject, "state": state}


def _to_case(case_id: str) -> AnyResponse:
    return redirect(url_for("desk.case", case_id=case_id), HTTPStatus.SEE_OTHER)


def _not_done(refused: Refused) -> tuple[str, int]:
    return render_template("salesforce/problem.html", title="That was not done", detail=refused.message), refused.status


def _problem(error: HTTPException) -> AnyResponse | tuple[str, int]:
    if error.code is None or error.code < 400:
        return error.get_response()
    detail = "There is no such page or record." if error.code == 404 else error.description or error.name
    return render_template("salesforce/problem.html", title=error.name, detail=detail), error.code
