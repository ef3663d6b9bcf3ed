/**
 * What an agent typed and did not send, kept in this browser tab per user and case until it is sent or taken back.
 * `text`: in the composer now; `aside`: put away for another text, to be brought back.
 */
const PREFIX = "crmBridgeDraft";

function shelf(name, userId, caseId) {
    return `${PREFIX}.${name}.${userId}.${caseId}`;
}

/** Keeps `value` (null forgets it). A full or forbidden storage is no error: the text still stands on the page. */
export function keep(name, userId, caseId, value) {
    try {
        if (value === null) {
            sessionStorage.removeItem(shelf(name, userId, caseId));
        } else {
            sessionStorage.setItem(shelf(name, userId, caseId), JSON.stringify(value));
        }
    } catch {
        // See above.
    }
}

/** What was kept, or null. */
export function kept(name, userId, caseId) {
    try {
        return JSON.parse(sessionStorage.getItem(shelf(name, userId, caseId)));
    } catch {
        return null;
    }
}
