import load from "@salesforce/apex/CrmBridgeDraftController.load";
import decide from "@salesforce/apex/CrmBridgeDraftController.decide";
import startReply from "@salesforce/apex/CrmBridgeDraftController.startReply";
import { refreshApex } from "@salesforce/apex";
import { CASE_ID, FLAGS, NEWS, draft, openPage, settle, view } from "../../../../../../test/page";

jest.mock(
    "@salesforce/apex/CrmBridgeDraftController.load",
    () => ({ default: require("@salesforce/sfdx-lwc-jest").createApexTestWireAdapter(jest.fn()) }),
    { virtual: true }
);
jest.mock("@salesforce/apex/CrmBridgeDraftController.decide", () => ({ default: jest.fn() }), { virtual: true });
jest.mock("@salesforce/apex/CrmBridgeDraftController.startReply", () => ({ default: jest.fn() }), { virtual: true });
jest.mock("@salesforce/apex", () => ({ refreshApex: jest.fn(() => Promise.resolve()) }), { virtual: true });
jest.mock("@salesforce/user/Id", () => ({ default: "005000000000001AAA" }), { virtual: true });
const mockNavigate = jest.fn();
jest.mock("lightning/navigation", () => {
    const Navigate = Symbol("Navigate");
    const NavigationMixin = (Base) =>
        class extends Base {
            [Navigate](page) {
                mockNavigate(page);
            }
        };
    NavigationMixin.Navigate = Navigate;
    return { NavigationMixin };
});

const SAID = { text: null, answers: null, acknowledged: [], reason: null, comment: null };
const ABOUT = { caseId: CASE_ID, draftRecordId: draft().recordId, revision: 1 };
const OTHER_USER = "005000000000002AAA";
const MINE = { decidedById: "005000000000001", decidedBy: "Agent One" };

async function arrive(data) {
    load.emit(data);
    await settle();
}

async function opened(data = view()) {
    const page = openPage();
    await arrive(data);
    return page;
}

function refusal(said) {
    return { body: { message: JSON.stringify(said) }, status: 500 };
}

beforeEach(() => {
    jest.useFakeTimers({ now: Date.parse("2026-11-23T10:01:00.000Z"), doNotFake: ["queueMicrotask"] });
    decide.mockResolvedValue({ status: "accepted", revision: 1, emailMessageId: "02s000000000009AAA" });
    startReply.mockResolvedValue("02s000000000009AAA");
});

afterEach(() => {
    document.body.replaceChildren();
    sessionStorage.clear();
    jest.clearAllMocks();
    jest.useRealTimers();
});

describe("every state of the closed list", () => {
    const own = ["own", "into-email"];
    const STATES = [
        ["drafting", null, "Drafting", own],
        ["ready", draft(), "Draft ready", ["draft", "accept"]],
        ["no_draft", null, "No draft: data", own],
        ["superseded", draft({ status: "superseded" }), "Out of date", own],
        ["sending", draft({ status: "accepted" }), "Sending", ["approved", "copy"]],
        [
            "handed_over",
            draft({ status: "handed_over", ...MINE, emailMessageId: "02s1" }),
            "Handed over",
            ["approved", "open-email"]
        ],
        ["sent", draft({ status: "sent" }), "Sent", own],
        ["could_not_send", draft({ status: "not_sent" }), "Could not send", own],
        ["unconfirmed", draft({ status: "accepted" }), "Unconfirmed", ["approved", "copy"]],
        ["rejected", draft({ status: "rejected" }), "Rejected", own],
        ["answered_otherwise", draft({ status: "answered_otherwise" }), "Answered", own],
        ["decided_too_late", draft({ status: "ready" }), "Decided too late", ["draft", "accept"]]
    ];

    it.each(STATES)("%s has its sentence, its action and its composer", async (kind, of, badge, [area, act]) => {
        const state = { kind, sentence: `What ${kind} means.`, action: `What to do in ${kind}.`, reason: "data" };
        const page = await opened(view({ state, detail: { revision: 1 }, draft: of }));
        expect(page.kind).toBe(kind);
        expect(page.text).toContain(badge);
        expect(page.text).toContain(`What ${kind} means.`);
        expect(page.text).toContain(`What to do in ${kind}.`);
        expect(page.find(`[data-copy="${area}"]`)).not.toBeNull();
        expect(page.act(act)).not.toBeNull();
    });

    it("nothing was ever said of a case", async () => {
        const page = await opened(view({ state: { kind: null, sentence: null }, draft: null }));
        expect(page.kind).toBe("new");
        expect(page.text).toContain("Nothing was drafted for this case yet.");
    });

    it.each([
        ["data", "data"],
        ["no_source", "no source"],
        ["policy", "policy"],
        ["not_in_rollout", "not in rollout"],
        ["measured_without_ai", "without AI"],
        ["budget", "budget"],
        ["paused", "paused"],
        ["technical", "technical"]
    ])("no draft because of %s says so", async (reason, words) => {
        const page = await opened(view({ state: { kind: "no_draft", reason, sentence: "No draft." }, draft: null }));
        expect(page.text).toContain(`No draft: ${words}`);
    });

    it("findings that stopped a draft name what to repair", async () => {
        const findings = [{ code: "empty", severity: "blocking", field: "Contact.Email", detail: "There is none." }];
        const page = await opened(
            view({ state: { kind: "no_draft", reason: "data" }, detail: { findings }, draft: null })
        );
        expect(page.text).toContain("Repair: Contact.Email");
        expect(page.text).toContain("There is none.");
    });

    it("says how long a draft is coming, and when that is too long", async () => {
        const state = { kind: "drafting", since: "2026-11-23T10:00:30.000Z" };
        const page = await opened(view({ state, draft: null }));
        expect(page.text).toContain("for 30 s");
        expect(page.text).not.toContain("longer than usual");
        await arrive(view({ state: { ...state, since: "2026-11-23T09:50:00.000Z" }, draft: null }));
        expect(page.text).toContain("for 11 min");
        expect(page.text).toContain("longer than usual");
    });
});

describe("a draft that is ready", () => {
    it("shows the text, where it goes, its sources and remarks", async () => {
        const page = await opened(view({ draft: draft({ flags: FLAGS }) }));
        expect(page.area.value).toBe("Your parcel arrives tomorrow.");
        expect(page.text).toContain("ada@example.com");
        expect(page.text).toContain("Delivery times");
        expect(page.text).toContain("Rather long.");
        expect(page.text).toContain("Note: Phone");
    });

    it("links only to web pages", async () => {
        const page = await opened();
        const ground = page.find("c-crm-bridge-draft-ground").shadowRoot;
        const links = [...ground.querySelectorAll("a")].map((link) => link.getAttribute("href"));
        expect(links).toEqual(["https://example.com/delivery"]);
        expect(ground.textContent).toContain("No page");
    });

    it("shows a page also when the bridge wrote something unreadable", async () => {
        const broken = draft({ flags: "{", sources: "[null, 1]", findings: "null", addressing: '"x"' });
        const page = await opened(view({ draft: broken, state: { detail: "{" } }));
        expect(page.kind).toBe("ready");
        expect(page.act("accept").disabled).toBe(false);
    });

    it("is accepted", async () => {
        const page = await opened();
        await page.click("accept");
        expect(decide).toHaveBeenCalledTimes(1);
        expect(decide).toHaveBeenCalledWith({ ...ABOUT, ...SAID, kind: "accept", answers: "02s000000000001AAA" });
        expect(refreshApex).toHaveBeenCalled();
    });

    it("an edit sends what stands in the composer", async () => {
        const page = await opened();
        await page.type("It arrives on Friday.");
        expect(page.act("accept").textContent).toBe("Accept my edit");
        await page.click("accept");
        const text = "It arrives on Friday.";
        expect(decide).toHaveBeenCalledWith({ ...ABOUT, ...SAID, kind: "edit", text, answers: "02s000000000001AAA" });
    });

    it("a text typed back to what it was is no edit", async () => {
        const page = await opened();
        await page.type("Your parcel.");
        await page.type("Your parcel arrives tomorrow.\n");
        await page.click("accept");
        expect(decide.mock.calls[0][0].kind).toBe("accept");
    });

    it("an empty text cannot be sent", async () => {
        const page = await opened();
        await page.type("  \n");
        expect(page.act("accept").disabled).toBe(true);
    });

    it("two clicks are one decision", async () => {
        let answer;
        decide.mockReturnValue(new Promise((resolve) => (answer = resolve)));
        const page = await opened();
        page.act("accept").click();
        page.act("accept").click();
        await settle();
        expect(page.act("accept").disabled).toBe(true);
        answer({ status: "accepted" });
        await settle();
        expect(decide).toHaveBeenCalledTimes(1);
    });

    it("is rejected with a reason", async () => {
        const page = await opened();
        await page.click("reject");
        page.panel.querySelector('[data-act="say"]').click();
        await settle();
        expect(decide).not.toHaveBeenCalled();
        expect(page.panel.textContent).toContain("Choose why.");
        const tone = page.panel.querySelector('input[value="tone"]');
        tone.checked = true;
        tone.dispatchEvent(new CustomEvent("change"));
        page.panel.querySelector('[data-act="say"]').click();
        await settle();
        expect(decide).toHaveBeenCalledWith({ ...ABOUT, ...SAID, kind: "reject", reason: "tone", comment: "" });
    });

    it("is made again with an instruction", async () => {
        const page = await opened();
        await page.click("again");
        page.panel.querySelector('[data-act="say"]').click();
        await settle();
        expect(page.panel.textContent).toContain("Say what the next draft should do.");
        const words = page.panel.querySelector("textarea");
        words.value = "Shorter.";
        words.dispatchEvent(new CustomEvent("input"));
        page.panel.querySelector('[data-act="say"]').click();
        await settle();
        expect(decide).toHaveBeenCalledWith({ ...ABOUT, ...SAID, kind: "respond", comment: "Shorter." });
    });

    it("Escape closes a panel and gives the focus back", async () => {
        const page = await opened();
        await page.click("reject");
        page.panel.querySelector(".panel").dispatchEvent(new KeyboardEvent("keydown", { key: "Escape" }));
        await settle();
        expect(page.panel).toBeNull();
        expect(page.element.shadowRoot.activeElement).toBe(page.act("reject"));
    });
});

describe("blocking flags", () => {
    it("are ticked before the draft is accepted", async () => {
        const page = await opened(view({ draft: draft({ flags: FLAGS }) }));
        await page.click("accept");
        expect(decide).not.toHaveBeenCalled();
        expect(page.text).toContain("Tick what you have looked at first.");
        expect(page.element.shadowRoot.activeElement).toBe(page.find('input[data-code="amount"]'));
        await page.tick("amount");
        await page.click("accept");
        expect(decide.mock.calls[0][0].acknowledged).toEqual(["amount"]);
    });

    it("Apex alone judges whether an edit took them away", async () => {
        decide.mockRejectedValueOnce(
            refusal({ code: "flags_not_acknowledged", message: "Look first.", flags: ["amount"] })
        );
        const page = await opened(view({ draft: draft({ flags: FLAGS }) }));
        await page.type("We give you 30 EUR gladly.");
        await page.click("accept");
        expect(page.text).toContain("Look first.");
        expect(page.area.value).toBe("We give you 30 EUR gladly.");
    });

    it("what was ticked counts for that draft only", async () => {
        const page = await opened(view({ draft: draft({ flags: FLAGS }) }));
        await page.tick("amount");
        await arrive(
            view({
                detail: { revision: 2 },
                draft: draft({ flags: FLAGS, revision: 2, recordId: "a00000000000002AAA" })
            })
        );
        await page.click("accept");
        expect(decide).not.toHaveBeenCalled();
    });
});

describe("while the agent types", () => {
    const NEXT = draft({ recordId: "a00000000000002AAA", revision: 2, body: "A newer draft." });
    const newer = () => view({ detail: { revision: 2 }, draft: NEXT, newestMessageId: NEWS.id });

    it("a newer draft keeps the typed text and shows what is new", async () => {
        const page = await opened();
        await page.type("My own words.");
        await arrive({ ...newer(), newMessages: [] });
        expect(page.area.value).toBe("My own words.");
        expect(page.text).toContain("A new draft is ready. Your text is kept.");
        expect(page.act("accept").disabled).toBe(true);
        expect(page.announced).toContain("A new draft is ready.");
    });

    it("send my text anyway is an edit of the newest draft that names the newest message", async () => {
        const page = await opened();
        await page.type("My own words.");
        await arrive(newer());
        await page.click("anyway");
        expect(decide).toHaveBeenCalledWith({
            ...SAID,
            caseId: CASE_ID,
            draftRecordId: NEXT.recordId,
            revision: 2,
            kind: "edit",
            text: "My own words.",
            answers: NEWS.id
        });
    });

    it("the new draft can be used, and the own text brought back", async () => {
        const page = await opened();
        await page.type("My own words.");
        await arrive(newer());
        await page.click("use-new");
        expect(page.area.value).toBe("A newer draft.");
        expect(page.act("accept").disabled).toBe(false);
        await page.click("bring-back");
        expect(page.area.value).toBe("My own words.");
        expect(page.act("accept").textContent).toBe("Accept my edit");
    });

    it("a draft that is superseded leaves the text, which goes into an e-mail", async () => {
        const page = await opened();
        await page.type("My own words.");
        await arrive(
            view({ state: { kind: "superseded" }, draft: draft({ status: "superseded" }), newMessages: [NEWS] })
        );
        expect(page.area.value).toBe("My own words.");
        expect(page.text).toContain("And my invoice?");
        await page.click("anyway");
        expect(startReply).toHaveBeenCalledWith({ caseId: CASE_ID, text: "My own words." });
        expect(decide).not.toHaveBeenCalled();
        expect(mockNavigate.mock.calls[0][0].attributes.recordId).toBe("02s000000000009AAA");
    });

    it("what the customer just wrote is shown before an untouched draft can be accepted", async () => {
        const page = await opened(view({ newMessages: [NEWS], newestMessageId: NEWS.id }));
        expect(page.text).toContain("The customer wrote again");
        expect(page.act("anyway").textContent).toBe("Accept it anyway");
        expect(page.text).toContain("And my invoice?");
        expect(page.act("accept").disabled).toBe(true);
        await page.click("anyway");
        expect(decide.mock.calls[0][0]).toMatchObject({ kind: "edit", answers: NEWS.id });
    });

    it("the typed text is there again after a reload, and counts as written upon what was seen then", async () => {
        const page = await opened();
        await page.type("My own words.");
        document.body.replaceChildren();
        const again = await opened(newer());
        expect(again.area.value).toBe("My own words.");
        expect(again.act("accept").disabled).toBe(true);
        document.body.replaceChildren();
        const elsewhere = openPage("500000000000002AAA");
        await arrive(view());
        expect(elsewhere.area.value).toBe("Your parcel arrives tomorrow.");
    });

    it("no text goes from one case to another on the same page", async () => {
        const page = await opened();
        await page.type("My own words.");
        page.element.recordId = "500000000000002AAA";
        await settle();
        await arrive(view({ caseId: "500000000000002AAA" }));
        expect(page.area.value).toBe("Your parcel arrives tomorrow.");
    });

    it("an untouched composer follows the newest draft", async () => {
        const page = await opened();
        await arrive(newer());
        expect(page.area.value).toBe("A newer draft.");
        expect(page.act("anyway")).toBeNull();
    });

    it("works where the browser keeps nothing", async () => {
        jest.spyOn(Storage.prototype, "setItem").mockImplementation(() => {
            throw new Error("full");
        });
        jest.spyOn(Storage.prototype, "getItem").mockImplementation(() => {
            throw new Error("forbidden");
        });
        const page = await opened();
        await page.type("My own words.");
        expect(page.area.value).toBe("My own words.");
        jest.restoreAllMocks();
    });
});

describe("what is refused", () => {
    it("somebody else decided: who it was is said, the text is kept and the case read again", async () => {
        decide.mockRejectedValueOnce(
            refusal({
                code: "already_decided",
                message: "Somebody has decided on this draft already.",
                by: "Agent Two"
            })
        );
        const page = await opened();
        await page.type("My own words.");
        await page.click("accept");
        expect(page.text).toContain("Nothing was done");
        expect(page.text).toContain("Agent Two decided.");
        expect(page.area.value).toBe("My own words.");
        expect(refreshApex).toHaveBeenCalled();
    });

    it.each(["not_newest", "not_ready", "no_draft", "newer_message"])("%s reads the case again", async (code) => {
        decide.mockRejectedValueOnce(refusal({ code, message: "Something newer stands." }));
        const page = await opened();
        await page.click("accept");
        expect(page.text).toContain("Something newer stands.");
        expect(refreshApex).toHaveBeenCalled();
    });

    it.each(["busy", "not_saved", "no_access", "blank", "flags_unreadable"])(
        "%s is said in Apex's words",
        async (code) => {
            decide.mockRejectedValueOnce(refusal({ code, message: `About ${code}.` }));
            const page = await opened();
            await page.click("accept");
            expect(page.text).toContain(`About ${code}.`);
            expect(page.find('[role="alert"]')).not.toBeNull();
            expect(page.act("accept").disabled).toBe(false);
        }
    );

    it("a network that is gone keeps the text and lets the agent try again", async () => {
        decide.mockRejectedValueOnce(new TypeError("Failed to fetch"));
        const page = await opened();
        await page.type("My own words.");
        await page.click("accept");
        expect(page.text).toContain("Salesforce cannot be reached. Your text is still here.");
        await page.click("accept");
        expect(decide).toHaveBeenCalledTimes(2);
    });

    it("an error of the platform shows no stack", async () => {
        decide.mockRejectedValueOnce({ body: { message: "System.NullPointerException: line 1" }, status: 500 });
        const page = await opened();
        await page.click("accept");
        expect(page.text).toContain("That did not work.");
        expect(page.text).not.toContain("NullPointer");
    });

    it("a page that cannot be read says so and keeps what stands", async () => {
        const page = await opened();
        await page.type("My own words.");
        load.error(undefined);
        await settle();
        expect(page.area.value).toBe("My own words.");
        expect(page.text).toContain("Salesforce cannot be reached. Your text is still here.");
    });

    it("a missing permission is named", async () => {
        const page = openPage();
        load.error({ message: JSON.stringify({ code: "no_access", message: "You need the permission set." }) });
        await settle();
        expect(page.text).toContain("You need the permission set.");
    });
});

describe("a decision the bridge has not heard of", () => {
    it.each([
        ["accepted", "handed_over", "The text is in your own mail draft."],
        ["edited", "handed_over", "The text is in your own mail draft."],
        ["rejected", "rejected", "The draft was rejected."],
        ["regenerated", "drafting", "A reply is being drafted."],
        ["superseded", "superseded", "Something new was said"]
    ])("a draft that is %s reads as %s at once", async (status, kind, sentence) => {
        const page = await opened(view({ draft: draft({ status, ...MINE, emailMessageId: "02s1" }) }));
        expect(page.kind).toBe(kind);
        expect(page.text).toContain(sentence);
    });

    it("a draft announced but not here yet is still coming", async () => {
        const page = await opened(view({ detail: { revision: 2 } }));
        expect(page.kind).toBe("drafting");
    });

    it("a newer draft than the state speaks of is ready", async () => {
        const page = await opened(view({ state: { kind: "superseded" }, draft: draft({ revision: 2 }) }));
        expect(page.kind).toBe("ready");
    });
});

describe("handed over", () => {
    const over = (more) => view({ state: { kind: "handed_over" }, draft: draft({ status: "handed_over", ...more }) });

    it("opens the agent's own mail draft", async () => {
        const page = await opened(
            over({ ...MINE, decision: "edit", finalBody: "As I edited it.", emailMessageId: "02s1" })
        );
        expect(page.find('[data-copy="approved"]').textContent).toBe("As I edited it.");
        await page.click("open-email");
        expect(mockNavigate.mock.calls[0][0].attributes).toMatchObject({
            recordId: "02s1",
            objectApiName: "EmailMessage"
        });
    });

    it("says in whose mail draft the text is", async () => {
        const page = await opened(over({ decidedById: OTHER_USER, decidedBy: "Agent Two", emailMessageId: "02s1" }));
        expect(page.text).toContain("The text is in the mail draft of Agent Two.");
        expect(page.act("open-email")).toBeNull();
    });

    it("offers a copy where no mail draft could be made", async () => {
        const writeText = jest.fn(() => Promise.resolve());
        Object.assign(navigator, { clipboard: { writeText } });
        const page = await opened(over(MINE));
        expect(page.text).toContain("no mail draft could be made");
        await page.click("copy");
        expect(writeText).toHaveBeenCalledWith("Your parcel arrives tomorrow.");
        expect(page.announced).toBe("The text was copied.");
        writeText.mockRejectedValueOnce(new Error("forbidden"));
        await page.click("copy");
        expect(page.announced).toContain("copy it with your keyboard");
    });
});

describe("an own reply", () => {
    it("goes into a mail draft without a decision", async () => {
        const page = await opened(view({ state: { kind: "no_draft", reason: "policy" }, draft: null }));
        expect(page.act("into-email").disabled).toBe(true);
        await page.type("My own words.");
        await page.click("into-email");
        expect(startReply).toHaveBeenCalledWith({ caseId: CASE_ID, text: "My own words." });
        expect(page.area.value).toBe("");
    });

    it("stays where no mail draft can be made", async () => {
        startReply.mockResolvedValueOnce(null);
        const page = await opened(view({ state: { kind: "no_draft", reason: "policy" }, draft: null }));
        await page.type("My own words.");
        await page.click("into-email");
        expect(page.area.value).toBe("My own words.");
        expect(page.text).toContain("No mail draft could be made here.");
    });

    it("may begin with the draft before", async () => {
        const page = await opened(view({ state: { kind: "rejected" }, draft: draft({ status: "rejected" }) }));
        await page.click("use-old");
        expect(page.area.value).toBe("Your parcel arrives tomorrow.");
    });
});

describe("looking for news", () => {
    const looks = () => refreshApex.mock.calls.length;
    async function pass(ms) {
        await jest.advanceTimersByTimeAsync(ms);
        await settle();
    }

    it("looks soon, then less and less often while nothing changes", async () => {
        await opened();
        await pass(3000);
        expect(looks()).toBe(1);
        await pass(600000);
        const after = looks();
        await pass(600000);
        expect(looks() - after).toBe(10);
    });

    it("looks more often while a draft is coming", async () => {
        await opened(view({ state: { kind: "drafting" }, draft: null }));
        await pass(600000);
        const after = looks();
        await pass(600000);
        expect(looks() - after).toBe(40);
    });

    it("does not look while the tab is hidden, and at once when it is shown", async () => {
        await opened();
        const hidden = jest.spyOn(document, "hidden", "get").mockReturnValue(true);
        document.dispatchEvent(new CustomEvent("visibilitychange"));
        await pass(600000);
        expect(looks()).toBe(0);
        hidden.mockReturnValue(false);
        document.dispatchEvent(new CustomEvent("visibilitychange"));
        await settle();
        expect(looks()).toBe(1);
        hidden.mockRestore();
    });

    it("does not look when it is opened in the background", async () => {
        const hidden = jest.spyOn(document, "hidden", "get").mockReturnValue(true);
        await opened();
        await pass(600000);
        expect(looks()).toBe(0);
        hidden.mockRestore();
    });

    it("a second word in a panel while the first is saved is not heard", async () => {
        decide.mockReturnValue(new Promise(() => {}));
        const page = await opened();
        await page.click("again");
        const said = () => new CustomEvent("said", { detail: { kind: "respond", reason: null, comment: "Shorter." } });
        page.find("c-crm-bridge-draft-panel").dispatchEvent(said());
        page.find("c-crm-bridge-draft-panel").dispatchEvent(said());
        await settle();
        expect(decide).toHaveBeenCalledTimes(1);
    });

    it("looks less often while it cannot, and stops with the page", async () => {
        refreshApex.mockRejectedValue(new Error("offline"));
        await opened();
        await pass(600000);
        const after = looks();
        await pass(600000);
        expect(looks() - after).toBe(10);
        document.body.replaceChildren();
        await pass(600000);
        expect(looks() - after).toBe(10);
        refreshApex.mockResolvedValue(undefined);
    });
});
