/** What is said of things that came meanwhile, and what the agent can do about them. Pure. */
import { TEXT, fill } from "./labels";
import { isChanged, isHeld } from "./typing";

/**
 * `{title, text, messages, canUseNew, anyway}`, or null when nothing came.
 *
 * Shown when the typed text does not know of something (`typing`, `ground`: see typing.js), and when a customer wrote
 * something that the draft which could be decided on (`isDraft`) does not know.
 */
export function noticeOf(newMessages, isDraft, typing, ground) {
    const held = isHeld(typing, ground);
    if (!held && !(isDraft && newMessages.length > 0)) return null;
    const isNewDraft = held && isDraft && typing.upon.key !== ground.key;
    return {
        title: held ? TEXT.newsTitle : TEXT.newMessage,
        text: held ? (isNewDraft ? TEXT.newsDraft : TEXT.news) : "",
        messages: newMessages.map((message) => ({
            id: message.id,
            title: fill(TEXT.newsFrom, message.author ?? ""),
            text: message.text || TEXT.emptyMessage
        })),
        canUseNew: held && isDraft,
        anyway: anywayText(isDraft, typing)
    };
}

function anywayText(isDraft, typing) {
    if (!isDraft) return TEXT.intoEmail;
    return isChanged(typing) ? TEXT.sendAnyway : TEXT.acceptAnyway;
}
