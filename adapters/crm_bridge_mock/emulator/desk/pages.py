"""The pages of the desk: inbox, case, composer, and playing the customer.

It owns routes, forms and fragments. What a case is, who may decide and what becomes of it is `Desk`'s alone:
every change goes through one of its methods, which answer as `/desk/api` does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Protocol

from flask import Blueprint, Response, abort, make_response, redirect, render_template, request, url_for
from flask_wtf.csrf import CSRFError, generate_csrf
from werkzeug.exceptions import HTTPException, NotFound
from werkzeug.wrappers import Response as AnyResponse

from crm_bridge_mock.emulator.desk.forms import decision_payload, message_payload, new_case_payload
from crm_bridge_mock.emulator.desk.safety import add_page_headers, protect
from crm_bridge_mock.emulator.desk.states import REJECT_REASONS
from crm_bridge_mock.emulator.desk.trouble import Trouble, trouble
from crm_bridge_mock.emulator.desk.views import CaseView, Row, as_sentence, case_view, inbox, with_cases

COOKIE = "desk_agent"
COOKIE_SECONDS = 180 * 86400
DEFAULT_AGENT = "Demo Agent"
ACTIONS = frozenset({"accept", "edit", "reject", "respond", "undo", "resolve", "send"})
FILTERS = ("waiting", "all")

Answer = tuple[int, Mapping[str, Any]]


class Desk(Protocol):
    """What the pages need of the help desk behind them; answers are `(status, JSON of /desk/api)`."""

    def agents(self) -> Sequence[Mapping[str, Any]]: ...
    def cases(self, agent: str) -> Sequence[Mapping[str, Any]]: ...
    def case(self, case_id: str, agent: str) -> Mapping[str, Any] | None: ...
    def create_case(self, payload: Mapping[str, Any], agent: str) -> Answer: ...
    def add_message(self, case_id: str, payload: Mapping[str, Any], agent: str) -> Answer: ...
    def draft_action(self, case_id: str, action: str, payload: Mapping[str, Any], agent: str) -> Answer: ...
    def close(self, case_id: str, agent: str) -> Answer: ...
    def reopen(self, case_id: str, agent: str) -> Answer: ...


def desk_pages(desk: Desk) -> Blueprint:
    """The blueprint under `/desk/`. Mount it with `app.register_blueprint(desk_pages(desk))`."""
    blueprint = Blueprint(
        "desk_pages",
        __name__,
        url_prefix="/desk",
        template_folder="templates",
        static_folder="static",
        static_url_path="/static",
    )
    protect(blueprint)
    pages = _Pages(desk)
    for rule, methods, view in pages.routes():
        blueprint.add_url_rule(rule, view_func=view, methods=methods)
    blueprint.add_app_template_filter(as_sentence, "sentence")
    blueprint.add_app_template_filter(with_cases)
    blueprint.register_error_handler(CSRFError, _stale_form)
    blueprint.register_error_handler(NotFound, not_found)
    return blueprint


class _Pages:
    """The view functions. No state of its own: everything is asked of the desk for each request."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> Sequence[tuple[str, list[str], Any]]:
        return (
            ("/", ["GET"], self.index),
            ("/live", ["GET"], self.live_inbox),
            ("/agent", ["POST"], self.choose_agent),
            ("/new", ["GET"], self.new_case),
            ("/new", ["POST"], self.create_case),
            ("/cases/<case_id>", ["GET"], self.case),
            ("/cases/<case_id>/live", ["GET"], self.live_case),
            ("/cases/<case_id>/composer", ["GET"], self.fresh_composer),
            ("/cases/<case_id>/draft/<action>", ["POST"], self.draft_action),
            ("/cases/<case_id>/messages", ["POST"], self.agent_writes),
            ("/cases/<case_id>/customer", ["POST"], self.customer_writes),
            ("/cases/<case_id>/close", ["POST"], self.close),
            ("/cases/<case_id>/reopen", ["POST"], self.reopen),
        )

    # pages

    def index(self) -> str:
        return render_template("desk/index.html", **self._shell(), view=None)

    def case(self, case_id: str) -> str:
        return render_template("desk/case.html", **self._shell(), view=self._view(case_id), trouble=None)

    def new_case(self) -> str:
        return render_template("desk/new.html", **self._shell(), view=None, form={}, trouble=None)

    # fragments, asked for about once a second

    def live_inbox(self) -> AnyResponse:
        return _unless_unchanged(render_template("desk/live_inbox.html", **self._shell(), view=None))

    def live_case(self, case_id: str) -> AnyResponse:
        return _unless_unchanged(self._live(self._view(case_id)))

    def fresh_composer(self, case_id: str) -> str:
        """The composer with the draft that stands now; asked for by "use the new draft"."""
        return render_template("desk/live_case.html", **self._shell(), view=self._view(case_id), **_REPLACED)

    # changes

    def draft_action(self, case_id: str, action: str) -> AnyResponse:
        if action not in ACTIONS:
            abort(HTTPStatus.NOT_FOUND)
        action, payload = decision_payload(action, request.form, self._view(case_id))
        return self._changed(case_id, self._desk.draft_action(case_id, action, payload, self._agent()))

    def agent_writes(self, case_id: str) -> AnyResponse:
        payload = message_payload(request.form, author="agent")
        return self._changed(case_id, self._desk.add_message(case_id, payload, self._agent()))

    def customer_writes(self, case_id: str) -> AnyResponse:
        payload = message_payload(request.form, author="customer")
        answer = self._desk.add_message(case_id, payload, self._agent())
        return self._played(case_id, answer)

    def close(self, case_id: str) -> AnyResponse:
        return self._played(case_id, self._desk.close(case_id, self._agent()))

    def reopen(self, case_id: str) -> AnyResponse:
        return self._played(case_id, self._desk.reopen(case_id, self._agent()))

    def create_case(self) -> AnyResponse:
        status, answer = self._desk.create_case(new_case_payload(request.form), self._agent())
        wrong = trouble(status, answer)
        if wrong is None:
            return redirect(url_for("desk_pages.case", case_id=answer["id"]), HTTPStatus.SEE_OTHER)
        page = render_template("desk/new.html", **self._shell(), view=None, form=request.form, trouble=wrong)
        return make_response(page, wrong.status)

    def choose_agent(self) -> AnyResponse:
        """Who I am is a cookie: this desk has no sign-in, it is an example of a CRM."""
        back = request.form.get("case", "")
        target = url_for("desk_pages.case", case_id=back) if back else url_for("desk_pages.index")
        response = redirect(target, HTTPStatus.SEE_OTHER)
        chosen = request.form.get("agent", "")
        if chosen in self._agents():
            response.set_cookie(COOKIE, chosen, max_age=COOKIE_SECONDS, httponly=True, samesite="Lax", path="/desk/")
        return response

    # what several of them share

    def _agent(self) -> str:
        chosen = request.cookies.get(COOKIE, "")
        return chosen if chosen in self._agents() else DEFAULT_AGENT

    def _agents(self) -> list[str]:
        return [str(agent["name"]) for agent in self._desk.agents()]

    def _view(self, case_id: str) -> CaseView:
        found = self._desk.case(case_id, self._agent())
        if found is None:
            abort(HTTPStatus.NOT_FOUND)
        return case_view(found, datetime.now(UTC))

    def _shell(self) -> dict[str, Any]:
        agent, chosen = self._agent(), request.args.get("filter", "all")
        rows = inbox(self._desk.cases(agent), datetime.now(UTC))
        return {
            "agent": agent,
            "agents": self._agents(),
            "filter": chosen if chosen in FILTERS else "all",
            "rows": rows,
            "waiting": _waiting(rows),
            "csrf_token": generate_csrf,
            "reject_reasons": REJECT_REASONS,
        }

    def _live(self, view: CaseView) -> str:
        """State, thread and inbox; the composer only where nothing was typed into it."""
        dirty, key = request.args.get("dirty") == "1", request.args.get("key", "")
        seen = request.args.get("seen", "")
        changed = key != view.composer_key or bool(view.after(seen))
        return render_template(
            "desk/live_case.html",
            **self._shell(),
            view=view,
            composer=changed and not dirty,
            notice=changed and dirty,
            seen=seen,
            trouble=None,
        )

    def _changed(self, case_id: str, answer: Answer) -> AnyResponse:
        """What an agent did: on success the composer starts anew, on a refusal it stays exactly as it is."""
        wrong = trouble(*answer)
        view = self._view(case_id)
        if "HX-Request" not in request.headers:
            return self._without_script(view, wrong)
        seen = request.form.get("seen", "")
        parts = _REPLACED if wrong is None else {"composer": False, "notice": True, "seen": seen, "trouble": wrong}
        page = make_response(render_template("desk/live_case.html", **self._shell(), view=view, **parts))
        page.status_code = wrong.status if wrong else HTTPStatus.OK
        if wrong is None:
            page.headers["HX-Trigger"] = "desk:taken"
        return page

    def _played(self, case_id: str, answer: Answer) -> AnyResponse:
        """What happened around the composer: it is left to the next look, which never replaces typed text."""
        wrong = trouble(*answer)
        view = self._view(case_id)
        if "HX-Request" not in request.headers:
            return self._without_script(view, wrong)
        parts = {"composer": False, "notice": wrong is not None, "seen": "", "trouble": wrong}
        page = make_response(render_template("desk/live_case.html", **self._shell(), view=view, **parts))
        page.status_code = wrong.status if wrong else HTTPStatus.OK
        page.headers["HX-Trigger"] = "desk:look"
        return page

    def _without_script(self, view: CaseView, wrong: Trouble | None) -> AnyResponse:
        if wrong is None:
            return redirect(url_for("desk_pages.case", case_id=view.id), HTTPStatus.SEE_OTHER)
        page = render_template("desk/case.html", **self._shell(), view=view, trouble=wrong)
        return make_response(page, wrong.status)


_REPLACED: dict[str, Any] = {"composer": True, "notice": False, "seen": "", "trouble": None}


def _waiting(rows: Sequence[Row]) -> int:
    return sum(row.waits for row in rows)


def _unless_unchanged(body: str) -> AnyResponse:
    """304 when the page already shows exactly this."""
    response: Response = make_response(body)
    response.set_etag(hashlib.sha256(body.encode()).hexdigest()[:32])
    return response.make_conditional(request)


def _stale_form(_: CSRFError) -> AnyResponse:
    return _problem_page(HTTPStatus.BAD_REQUEST, "This page is out of date", "Reload it; what you typed is kept.")


def not_found(_: HTTPException) -> AnyResponse:
    """The page of whatever is not here, also below `/desk/` where no page has ever been."""
    detail = "There is no such page or case. It may have been removed."
    return add_page_headers(_problem_page(HTTPStatus.NOT_FOUND, "Not here", detail))


def _problem_page(status: HTTPStatus, title: str, detail: str) -> Response:
    template = "desk/problem_part.html" if "HX-Request" in request.headers else "desk/problem.html"
    page: Response = make_response(render_template(template, title=title, detail=detail), status)
    return page
