"""Live rules that write: a test draft on one case, read back, replaced and taken away; a reply only when asked for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from crm_bridge.contract import (
    Conflict,
    Fingerprint,
    Found,
    Mutability,
    PanelState,
    SendMarker,
    Sends,
    StateKind,
    Unknown,
    Unsupported,
)
from crm_bridge.testing.live.stage import NEWER_TEXT, TEXT, Broken, LiveStage, NotPossible, expect, needed
from crm_bridge.testing.stage import same

WRONG = Fingerprint(value="crm-bridge-prove-something-else")
FIND_WITHIN = timedelta(seconds=60)


def draft_is_written(stage: LiveStage) -> str:
    """A draft stands on the case."""
    draft = stage.draft(revision=1, text=TEXT)
    try:
        stage.written = stage.adapter.write_draft(stage.known_case, draft, stage.key("write"), None)
    except Conflict:
        raise NotPossible("a draft stands on the case already: name another one, or pause the bridge") from None
    return f"draft {stage.written.id}"


def draft_stays_inside(stage: LiveStage) -> str:
    """The customer does not see it."""
    needed(stage.written, "no draft could be written")
    before = [one.id for one in stage.context.public_messages]
    now = [one.id for one in stage.read_now().public_messages]
    expect(now == before, "there is another public message since the draft was written")
    return ""


def draft_is_written_once(stage: LiveStage) -> str:
    """Written again with its key, also by another process, it is still one."""
    written = stage.standing
    draft, known = stage.draft(revision=1, text=TEXT), stage.key("write")
    expect(stage.adapter.write_draft(stage.known_case, draft, known, None) == written, "another draft came of it")
    other = stage.another()
    try:
        expect(other.write_draft(stage.known_case, draft, known, None) == written, "another process wrote another one")
    finally:
        other.close()
    return ""


def draft_is_known_again(stage: LiveStage) -> str:
    """It is read back as it was written."""
    needed(stage.capabilities.target.readable, "not declared: drafts that can be read")
    remote = stage.adapter.read_draft(stage.standing)
    expect(remote is not None, "it is not there")
    assert remote is not None
    expect(same(remote.text, TEXT), "its text is another one")
    expect(remote.ref == stage.written, "nobody touched it, yet it looks changed by a person")
    expect(remote.revision == 1, f"its revision is {remote.revision}, not 1")
    expect(remote.decision is None, "it is decided already")
    return ""


def draft_is_replaced_only_as_said(stage: LiveStage) -> str:
    """It is replaced only by who knows what stands there."""
    needed(stage.capabilities.target.mutability is Mutability.REPLACE, "not declared: drafts that can be replaced")
    newer = stage.draft(revision=2, text=NEWER_TEXT)
    standing = stage.standing
    for wrong in (WRONG, None):
        _conflicts(lambda wrong=wrong: stage.adapter.write_draft(stage.known_case, newer, stage.key("wrong"), wrong))  # type: ignore[misc]
    stage.written = stage.adapter.write_draft(stage.known_case, newer, stage.key("newer"), standing.fingerprint)
    if stage.capabilities.target.readable:
        remote = stage.adapter.read_draft(stage.written)
        expect(remote is not None and same(remote.text, NEWER_TEXT), "the newer text does not stand there")
    return ""


def what_it_cannot_do_is_said(stage: LiveStage) -> str:
    """What the target cannot do is refused as unsupported."""
    ref, target, adapter = stage.standing, stage.capabilities.target, stage.adapter
    lacking: tuple[tuple[bool, str, Callable[[], object]], ...] = (
        (target.readable, "read_draft", lambda: adapter.read_draft(ref)),
        (target.withdrawable, "withdraw_draft", lambda: adapter.withdraw_draft(ref, ref.fingerprint)),
        (target.shows_states, "show", lambda: adapter.show(stage.known_case, _state(), stage.key("state"))),
    )
    missing = [(name, act) for can, name, act in lacking if not can]
    needed(missing, "not declared: anything the target cannot do")
    for name, act in missing:
        try:
            act()
        except Unsupported:
            continue
        raise Broken(f"{name} is not declared, and does not say `Unsupported`")
    return ""


def state_is_shown(stage: LiveStage) -> str:
    """A state is taken, twice as well as once."""
    needed(stage.capabilities.target.shows_states, "not declared: states")
    for _ in range(2):
        stage.adapter.show(stage.known_case, _state(), stage.key("state"))
    return ""


def draft_is_withdrawn_only_as_said(stage: LiveStage) -> str:
    """It is taken away only by who knows what stands there, however often."""
    needed(stage.capabilities.target.withdrawable, "not declared: drafts that can be withdrawn")
    ref = stage.standing
    _conflicts(lambda: stage.adapter.withdraw_draft(ref, WRONG))
    for _ in range(2):
        stage.adapter.withdraw_draft(ref, ref.fingerprint)
    stage.written = None
    expect(not stage.capabilities.target.readable or stage.adapter.read_draft(ref) is None, "it is still there")
    return ""


def reply_is_sent(stage: LiveStage) -> str:
    """A reply goes out as approved, and stands in the case as ours."""
    needed(stage.capabilities.sends is Sends.BRIDGE, "not declared: the bridge sends")
    reply, known = stage.reply(TEXT), stage.key("send")
    stage.sent = (reply, known)
    sent = stage.adapter.send_reply(reply, known)
    found = [one for one in stage.read_now().public_messages if one.id == sent.id]
    expect(found, "the message it became does not stand in the case")
    expect(same(found[0].text, TEXT), "it has other words")
    expect((found[0].direction, found[0].author.kind) == ("outgoing", "bridge"), "it is not known as ours")
    return f"message {sent.id}"


def sent_reply_is_found(stage: LiveStage) -> str:
    """What went out is found again."""
    if stage.sent is None:
        raise NotPossible("nothing was sent")
    reply, known = stage.sent
    found = stage.adapter.find_reply(reply, known, datetime.now(UTC) - FIND_WITHIN)
    if isinstance(found, Unknown) and found.look_again_after is not None:
        raise NotPossible("the CRM does not list it yet: its index lags")
    expect(isinstance(found, Found), f"expected Found, got {type(found).__name__}")
    return ""


def nothing_is_sent_unasked(stage: LiveStage) -> str:
    """A reply goes out as approved, and stands in the case as ours."""
    needed(stage.capabilities.sends is Sends.BRIDGE, "not declared: the bridge sends")
    raise NotPossible("nothing is sent unless you ask for it: --send-to-case")


def finding_was_not_asked(stage: LiveStage) -> str:
    """What went out is found again."""
    needed(stage.capabilities.send_marker is not SendMarker.NONE, "not declared: a marker of what we sent")
    raise NotPossible("nothing was sent: --send-to-case")


def _conflicts(act: Callable[[], object]) -> None:
    try:
        act()
    except Conflict:
        return
    raise Broken("it did not say `Conflict`, though something else stands there")


def _state() -> PanelState:
    # The lowest sequence there is: whatever the bridge shows later is newer.
    return PanelState(kind=StateKind.NO_DRAFT, sentence="A test of the crm-bridge.", reason="technical", sequence=1)
