/** What Apex or the network answered instead of a result, in words for the agent. */
import { TEXT, fill } from "./labels";

/** `{code, title, message, by, at, flags}` of an error of a wire or a call. */
export function refusalOf(error) {
    const body = Array.isArray(error?.body) ? error.body[0] : error?.body;
    const said = parsed(body?.message);
    if (said !== null) {
        return {
            code: said.code,
            title: TEXT.refusedTitle,
            message: said.message,
            by: said.by ? fill(TEXT.refusedBy, said.by) : "",
            at: said.at ?? "",
            flags: Array.isArray(said.flags) ? said.flags : []
        };
    }
    // An answer of the platform has a body; without one nothing came back at all.
    const code = body ? "failed" : "offline";
    const message = body ? TEXT.failed : TEXT.offline;
    return { code, title: TEXT.refusedTitle, message, by: "", at: "", flags: [] };
}

function parsed(message) {
    try {
        const said = JSON.parse(message);
        return said !== null && typeof said.code === "string" && typeof said.message === "string" ? said : null;
    } catch {
        return null;
    }
}
