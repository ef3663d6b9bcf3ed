/**
 * From what Apex loaded to what is shown: which state of the closed list, its words, and what the composer offers.
 * Pure. The state on the case is the bridge's word; where an agent has just decided, the draft itself knows more.
 */
import { ACTIONS, BADGES, REASONS, SENTENCES, TEXT, fill } from "./labels";

/** How each state looks. `composer`: which of the composer's forms is shown. */
const LOOKS = Object.freeze({
    could_not_send: { tone: "bad", symbol: "!", composer: "own" },
    unconfirmed: { tone: "bad", symbol: "?", composer: "read" },
    ready: { tone: "go", symbol: "✓", composer: "draft" },
    decided_too_late: { tone: "warn", symbol: "!", composer: "own" },
    handed_over: { tone: "go", symbol: "→", composer: "handed_over" },
    no_draft: { tone: "warn", symbol: "–", composer: "own" },
    rejected: { tone: "calm", symbol: "×", composer: "own" },
    superseded: { tone: "warn", symbol: "↻", composer: "waiting" },
    drafting: { tone: "busy", symbol: "…", composer: "waiting" },
    sending: { tone: "busy", symbol: "↑", composer: "read" },
    answered_otherwise: { tone: "calm", symbol: "✓", composer: "own" },
    sent: { tone: "calm", symbol: "✓", composer: "own" },
    new: { tone: "calm", symbol: "·", composer: "own" }
});

/** What a draft's status looks like to an agent before the bridge has said so. */
const KIND_OF_STATUS = Object.freeze({
    ready: "ready",
    accepted: "handed_over",
    edited: "handed_over",
    handed_over: "handed_over",
    rejected: "rejected",
    regenerated: "drafting",
    superseded: "superseded",
    withdrawn: "no_draft",
    expired: "no_draft",
    sent: "sent",
    sent_edited: "sent",
    answered_otherwise: "answered_otherwise",
    not_sent: "could_not_send",
    late: "decided_too_late"
});
const DECIDED = Object.freeze(["accepted", "edited", "rejected", "regenerated"]);
const DECIDABLE = Object.freeze(["ready", "decided_too_late", "could_not_send"]);
const WAITING = Object.freeze(["drafting", "superseded", "sending"]);
const SLOW_AFTER_S = 300;

/** What is shown of `data` (the Apex view; undefined: nothing yet) to the user `userId` at `nowMs`. */
export function shown(data, userId, nowMs) {
    const state = data?.state ?? {};
    const detail = parsed(state.detail, {});
    const draft = draftOf(data?.draft, userId);
    const kind = kindOf(state, detail, draft);
    const look = LOOKS[kind] ?? LOOKS.new;
    const decidable = draft !== null && draft.status === "ready" && DECIDABLE.includes(kind);
    const said = wordsOf(kind, state, draft);
    const seconds = secondsSince(state.since, nowMs);
    return {
        kind,
        reason: kind === "no_draft" ? (state.reason ?? "") : "",
        badge: badgeOf(kind, state.reason),
        badgeClass: `badge tone-${look.tone}`,
        stateClass: `state tone-${look.tone}`,
        symbol: look.symbol,
        composer: decidable ? "draft" : composerOf(look.composer, draft),
        sentence: said.sentence,
        action: said.action,
        by: kind === state.kind && detail.by ? fill(TEXT.by, textOf(detail.by)) : "",
        findings: kind === "no_draft" ? remarks(detail.findings) : [],
        revision: draft === null ? "" : fill(TEXT.revision, draft.revision),
        hint: look.composer === "waiting" ? TEXT.ownHint : "",
        isWaiting: WAITING.includes(kind),
        since: WAITING.includes(kind) ? durationOf(seconds) : "",
        slow: (kind === "drafting" || kind === "superseded") && seconds !== null && seconds > SLOW_AFTER_S,
        draft,
        decidable
    };
}

/** One of the closed list, or "new" when nothing was ever said of this case. */
function kindOf(state, detail, draft) {
    const told = state.kind || null;
    if (draft === null) {
        return told === "ready" ? "drafting" : (told ?? "new");
    }
    const heardOf = Number(detail.revision ?? -1);
    const own = KIND_OF_STATUS[draft.status];
    if (own === undefined || draft.revision < heardOf) {
        // A revision the bridge has announced and this page does not have yet.
        return told === "ready" || told === null ? "drafting" : told;
    }
    const isDecidedHere = DECIDED.includes(draft.status) && DECIDABLE.includes(told);
    const isNewer = draft.status === "ready" && draft.revision > heardOf;
    return told === null || told === "ready" || isDecidedHere || isNewer ? own : told;
}

function composerOf(wanted, draft) {
    return wanted === "draft" || (wanted === "handed_over" && draft === null) ? "own" : wanted;
}

function badgeOf(kind, reason) {
    const label = BADGES[kind] ?? BADGES.new;
    const why = kind === "no_draft" ? REASONS[reason] : undefined;
    return why ? `${label}: ${why}` : label;
}

function wordsOf(kind, state, draft) {
    if (kind === "handed_over" && draft !== null) {
        if (!draft.mine && draft.decidedBy) return words("handed_over_other", draft.decidedBy);
        if (!draft.emailMessageId) return words("handed_over_copy");
    }
    if (kind === state.kind && state.sentence) {
        return { sentence: state.sentence, action: state.action ?? "" };
    }
    return words(kind);
}

function words(key, value = "") {
    const known = SENTENCES[key] ? key : "new";
    return { sentence: fill(SENTENCES[known], value), action: ACTIONS[known] };
}

function draftOf(draft, userId) {
    if (!draft) return null;
    const flags = remarks(parsed(draft.flags, []));
    return {
        recordId: draft.recordId,
        key: `${draft.recordId}|${draft.revision}`,
        revision: Number(draft.revision ?? 0),
        status: draft.status ?? "",
        body: flat(draft.body),
        approved: flat(draft.decision === "edit" ? draft.finalBody : draft.body),
        language: draft.language || null,
        emailMessageId: draft.emailMessageId ?? "",
        decidedBy: draft.decidedBy ?? "",
        mine: sameId(draft.decidedById, userId),
        blocking: flags.filter((flag) => flag.blocking),
        informing: flags.filter((flag) => !flag.blocking),
        findings: remarks(parsed(draft.findings, [])),
        sources: sourcesOf(parsed(draft.sources, [])),
        addressing: addressingOf(parsed(draft.addressing, null))
    };
}

/** Flags and findings in one form. */
function remarks(items) {
    return listOf(items).map((item, index) => ({
        key: `${index}|${textOf(item.code)}`,
        code: textOf(item.code),
        name: textOf(item.field || item.code).replaceAll("_", " "),
        detail: textOf(item.detail),
        excerpt: textOf(item.excerpt),
        blocking: item.severity === "blocking"
    }));
}

/** Blocking flags with what the template needs to tick them. */
export function withTicks(blocking, looked) {
    return blocking.map((flag) => ({
        ...flag,
        label: fill(TEXT.lookedAt, flag.name),
        focus: `flag-${flag.code}`,
        isLooked: looked.includes(flag.code)
    }));
}

function sourcesOf(items) {
    return listOf(items).map((item, index) => ({
        key: `${index}|${textOf(item.id)}`,
        title: textOf(item.title || item.id),
        url: /^https?:\/\//i.test(textOf(item.url)) ? textOf(item.url) : "",
        excerpt: textOf(item.excerpt)
    }));
}

function addressingOf(item) {
    if (item === null || typeof item !== "object") return null;
    const joined = (addresses) => (Array.isArray(addresses) ? addresses.map(textOf).join(", ") : textOf(addresses));
    return { from: textOf(item.sender), to: joined(item.to), cc: joined(item.cc), channel: textOf(item.channel) };
}

/** The same text, whatever line ends it was saved with. */
export function flat(text) {
    return String(text ?? "")
        .replace(/\r\n?/g, "\n")
        .trimEnd();
}

/** Ids come with 15 or 18 characters. */
function sameId(one, other) {
    return Boolean(one) && Boolean(other) && String(one).slice(0, 15) === String(other).slice(0, 15);
}

function secondsSince(since, nowMs) {
    const began = since ? Date.parse(since) : NaN;
    return Number.isNaN(began) ? null : Math.max(0, Math.round((nowMs - began) / 1000));
}

function durationOf(seconds) {
    if (seconds === null) return "";
    return seconds < 90 ? fill(TEXT.forSeconds, seconds) : fill(TEXT.forMinutes, Math.round(seconds / 60));
}

/** JSON the bridge wrote; what cannot be read is shown as nothing rather than breaking the page. */
function parsed(text, otherwise) {
    try {
        return (text ? JSON.parse(text) : otherwise) ?? otherwise;
    } catch {
        return otherwise;
    }
}

function listOf(items) {
    return Array.isArray(items) ? items.filter((item) => item !== null && typeof item === "object") : [];
}

function textOf(value) {
    return value === null || value === undefined ? "" : String(value);
}
