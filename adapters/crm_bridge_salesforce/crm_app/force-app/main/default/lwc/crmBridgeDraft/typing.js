/**
 * What an agent types, and whether it still fits what is shown. Pure: values in, values out.
 *
 * `ground` is what one writes upon: `{key, seen, offered}` = the draft (or "own"), the newest message of a customer, and
 * the text that is offered. `typing` is `{text, upon}`: null text = untouched, `upon` = the ground when it was begun.
 */
import { flat } from "./view";

/** What one writes upon now: `now` is what view.js shows, `newestMessageId` what a customer said last. */
export function groundOf(now, newestMessageId) {
    const isDraft = now.composer === "draft";
    return {
        key: isDraft ? now.draft.key : "own",
        seen: newestMessageId ?? "",
        offered: isDraft ? now.draft.body : ""
    };
}

export const UNTOUCHED = Object.freeze({ text: null, upon: null });

/** What stands in the composer. */
export function valueOf(typing, ground) {
    return typing.text === null ? ground.offered : typing.text;
}

export function isChanged(typing) {
    return typing.text !== null && flat(typing.text) !== flat(typing.upon?.offered);
}

/** Something came that the text does not know: nothing is decided until its author has said what to do. */
export function isHeld(typing, ground) {
    return isChanged(typing) && (typing.upon.key !== ground.key || typing.upon.seen !== ground.seen);
}

/** After a key stroke. A text once begun keeps the ground it was begun upon. */
export function written(typing, ground, text) {
    return isChanged(typing) ? { ...typing, text } : { text, upon: ground };
}
