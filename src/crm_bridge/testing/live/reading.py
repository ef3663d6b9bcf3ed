"""Live rules that change nothing: what the CRM answers to questions about itself, one case, and its articles."""

from __future__ import annotations

import time

from crm_bridge.contract import CaseContext, CaseRef, Diagnosis, Found, NotACase, Sends, Step, Visibility
from crm_bridge.testing.live.stage import Broken, LiveStage, cases_of, expect, needed

LOOK_EVERY_S = 1.0
MAX_LOOKS_AT_CASES = 40
MAX_ARTICLE_PAGES = 20
NOBODY = CaseRef(id="crm-bridge-prove-no-such-case")


def diagnosed(stage: LiveStage) -> str:
    """diagnose() finds nothing wrong."""
    lines = list(stage.adapter.diagnose())
    expect(lines, "diagnose() said nothing")
    expect(all(isinstance(line, Diagnosis) for line in lines), "diagnose() brings `Diagnosis` lines")
    wrong = [f"{line.check}: {line.detail}" for line in lines if line.status == "failed"]
    expect(not wrong, "; ".join(wrong))
    return f"{len(lines)} lines"


def planned(stage: LiveStage) -> str:
    """A plan of what the CRM needs is only a plan."""
    steps = list(stage.adapter.provision(plan=True))
    expect(all(isinstance(step, Step) for step in steps), "provision() brings `Step` lines")
    done = [step.name for step in steps if step.status == "done"]
    expect(not done, f"a plan does nothing, but these were done: {', '.join(done)}")
    planned_steps = [step.name for step in steps if step.status == "planned"]
    return f"still to set up: {', '.join(planned_steps)}" if planned_steps else "everything is there"


def opened_case_is_found(stage: LiveStage) -> str:
    """A case opened meanwhile is found by the poll."""
    needed(stage.capabilities.reconcile, "not declared: reconcile")
    _, stage.cursor = stage.changes(None)
    needed(stage.case is None, "a case was named; without --case you are asked to open one, and it has to be found")
    stage.say(f"Open a case in the sandbox now, with a message of a customer and the subject: {stage.title}")
    looked_at: set[tuple[str, str]] = set()
    until = time.monotonic() + stage.wait_s
    cursor = stage.cursor
    while time.monotonic() < until and len(looked_at) < MAX_LOOKS_AT_CASES:
        changes, cursor = stage.changes(cursor)
        for case, change in cases_of(stage, changes):
            if (case.id, change.version) in looked_at:
                continue
            looked_at.add((case.id, change.version))
            if _is_ours(stage, case):
                stage.case, stage.opened_meanwhile = case, True
                return f"case {case.id}"
        time.sleep(LOOK_EVERY_S)
    raise Broken(f"no case with this subject was found within {stage.wait_s:.0f} s")


def _is_ours(stage: LiveStage, case: CaseRef) -> bool:
    context = stage.adapter.read_case(case)
    return isinstance(context, CaseContext) and stage.title in context.subject


def case_is_read(stage: LiveStage) -> str:
    """The case is read whole."""
    context = stage.read_now()
    expect(context.case == stage.known_case, "the case read is another one")
    stage.read = context
    needed(context.messages, "the case has no message: name one with a public message of a customer")
    expect(all(one.author.id for one in context.messages), "every message has its author")
    expect(len({one.id for one in context.messages}) == len(context.messages), "every message has an id of its own")
    incoming = [one for one in context.public_messages if one.direction == "incoming"]
    expect(all(one.author.kind != "bridge" for one in incoming), "what came in is not ours")
    unreadable = ", ".join(item.name for item in context.unreadable)
    return f"{len(context.messages)} messages" + (f"; could not be read: {unreadable}" if unreadable else "")


def case_is_read_again(stage: LiveStage) -> str:
    """Reading changes nothing: the same version again."""
    context = stage.context
    again = stage.read_now()
    expect(again.version == context.version, "the version changed by reading, or somebody works on the case")
    expect([one.id for one in again.messages] == [one.id for one in context.messages], "the messages changed")
    return ""


def nobody_is_no_case(stage: LiveStage) -> str:
    """What never was a case is said to be none."""
    found = stage.adapter.read_case(NOBODY)
    expect(isinstance(found, NotACase), f"read_case: expected NotACase, got {type(found).__name__}")
    return ""


def case_resolves_to_itself(stage: LiveStage) -> str:
    """The case resolves to itself."""
    found = stage.adapter.resolve(stage.known_case)
    expect(found == stage.known_case, f"resolve: expected the case, got {type(found).__name__}")
    return ""


def articles_are_listed(stage: LiveStage) -> str:
    """Knowledge articles are listed over their pages."""
    needed(stage.capabilities.knowledge, "not declared: knowledge")
    cursor: str | None = None
    ids: list[str] = []
    more = True
    for _ in range(MAX_ARTICLE_PAGES):
        page = stage.adapter.list_articles(cursor)
        ids += [article.id for article in page.items]
        more, cursor = page.more, page.cursor
        if not more:
            break
    needed(ids, "there is no article to list: publish one")
    expect(len(set(ids)) == len(ids), "an article was listed twice")
    return f"{len(ids)} articles" + (", and more" if more else "")


def agents_are_asked_for(stage: LiveStage) -> str:
    """Whether an agent may see the case is answered."""
    answer = stage.adapter.may_see(stage.an_agent(), stage.known_case)
    expect(isinstance(answer, Visibility), "may_see brings a `Visibility`")
    expect(answer is not Visibility.NO, "the agent the CRM names on the case may not see it")
    return str(answer.value).replace("_", " ")


def own_changes_are_told_apart(stage: LiveStage) -> str:
    """A poll that finds what we wrote names who wrote it."""
    needed(stage.capabilities.reconcile and stage.cursor is not None, "not declared: reconcile")
    needed(stage.written, "no draft could be written")
    changes, _ = stage.changes(stage.cursor)
    ours = [change for case, change in cases_of(stage, changes) if case == stage.known_case]
    if not ours:
        return "it does not find what we wrote, which is fine"
    expect(ours[-1].by is not None, "it finds what we wrote and does not say that it was us")
    return "found, and named as ours"


def never_sent_is_never_found(stage: LiveStage) -> str:
    """A reply that never went out is not found."""
    needed(stage.capabilities.sends is Sends.BRIDGE, "not declared: the bridge sends")
    reply = stage.reply(f"Never sent: {stage.mark}")
    found = stage.adapter.find_reply(reply, stage.key("never"), stage.context.observed_at)
    expect(not isinstance(found, Found), "find_reply finds what was never sent")
    return type(found).__name__
