/** A case page in a test: what Apex would answer, and the component on it as an agent sees and uses it. */
import { createElement } from "lwc";
import CrmBridgeDraft from "c/crmBridgeDraft";

export const CASE_ID = "500000000000001AAA";
export const USER_ID = "005000000000001AAA";

export function draft(more = {}) {
    return {
        recordId: "a00000000000001AAA",
        draftId: "draft-1",
        revision: 1,
        status: "ready",
        body: "Your parcel arrives tomorrow.",
        finalBody: null,
        language: "en",
        sources: JSON.stringify([
            { id: "ka1", title: "Delivery times", url: "https://example.com/delivery", excerpt: "Two days." },
            { id: "ka2", title: "No page", url: "javascript:alert(1)", excerpt: "" }
        ]),
        findings: JSON.stringify([{ code: "stale", severity: "informing", field: "Phone", detail: "Two years old." }]),
        flags: "[]",
        addressing: JSON.stringify({
            channel: "email",
            sender: "help@example.com",
            to: ["ada@example.com"],
            cc: [],
            in_reply_to: "",
            thread: ""
        }),
        decision: null,
        decidedById: null,
        decidedBy: null,
        decidedAt: null,
        emailMessageId: null,
        ...more
    };
}

export function view(more = {}) {
    const { state, detail, ...rest } = more;
    return {
        caseId: CASE_ID,
        state: {
            kind: "ready",
            sentence: "A draft is ready.",
            action: "Accept, edit or reject it.",
            reason: null,
            sequence: 3,
            since: "2026-11-23T10:00:00.000Z",
            detail: JSON.stringify({ revision: 1, ...detail }),
            ...state
        },
        draft: draft(),
        newMessages: [],
        newestMessageId: "02s000000000001AAA",
        now: "2026-11-23T10:01:00.000Z",
        appVersion: "0.1.0",
        ...rest
    };
}

export const FLAGS = JSON.stringify([
    { code: "amount", severity: "blocking", detail: "Found in no source.", excerpt: "30 EUR" },
    { code: "long_text", severity: "informing", detail: "Rather long.", excerpt: "" }
]);

export const NEWS = {
    id: "02s000000000002AAA",
    author: "Ada",
    text: "And my invoice?",
    sentAt: "2026-11-23T10:00:30.000Z"
};

/** Everything that was promised has happened. */
export async function settle() {
    for (let turn = 0; turn < 8; turn += 1) await Promise.resolve();
}

export function openPage(recordId = CASE_ID) {
    const element = createElement("c-crm-bridge-draft", { is: CrmBridgeDraft });
    element.recordId = recordId;
    document.body.appendChild(element);
    return new Page(element);
}

class Page {
    constructor(element) {
        this.element = element;
    }

    find(selector) {
        return this.element.shadowRoot.querySelector(selector);
    }

    get panel() {
        return this.find("c-crm-bridge-draft-panel")?.shadowRoot ?? null;
    }

    /** All that can be read on the page, its parts included. */
    get text() {
        return [...this.element.shadowRoot.querySelectorAll("*")]
            .filter((part) => part.shadowRoot)
            .reduce((all, part) => all + part.shadowRoot.textContent, this.element.shadowRoot.textContent);
    }

    get kind() {
        return this.find("[data-kind]")?.dataset.kind;
    }

    get area() {
        return this.find("textarea");
    }

    act(name) {
        return this.find(`[data-act="${name}"]`);
    }

    async click(name) {
        this.act(name).click();
        await settle();
    }

    async type(text) {
        this.area.value = text;
        this.area.dispatchEvent(new CustomEvent("input"));
        await settle();
    }

    async tick(code) {
        const box = this.find(`input[data-code="${code}"]`);
        box.checked = true;
        box.dispatchEvent(new CustomEvent("change"));
        await settle();
    }

    get announced() {
        return this.find('[role="status"]').textContent;
    }
}
