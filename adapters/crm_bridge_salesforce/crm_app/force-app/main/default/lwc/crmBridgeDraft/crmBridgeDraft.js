/**
 * The reply draft on the case page: where it stands, and accept, edit, reject or ask for another.
 *
 * Promises: typed text is never replaced and never lost; what came meanwhile is shown before anything is decided; all
 * is read from records, so it works while the bridge is down. Apex checks and saves every decision.
 */
import { LightningElement, api, wire } from "lwc";
import { refreshApex } from "@salesforce/apex";
import { NavigationMixin } from "lightning/navigation";
import USER_ID from "@salesforce/user/Id";
import load from "@salesforce/apex/CrmBridgeDraftController.load";
import decide from "@salesforce/apex/CrmBridgeDraftController.decide";
import startReply from "@salesforce/apex/CrmBridgeDraftController.startReply";
import { TEXT } from "./labels";
import { copyFrom } from "./copying";
import { keep, kept } from "./kept";
import { lookForNews } from "./looking";
import { noticeOf } from "./notice";
import { refusalOf } from "./refusal";
import { UNTOUCHED, groundOf, isChanged, valueOf, written } from "./typing";
import { flat, shown, withTicks } from "./view";

const CHANGES_THE_CASE = Object.freeze(["not_newest", "already_decided", "not_ready", "no_draft", "newer_message"]);

export default class CrmBridgeDraft extends NavigationMixin(LightningElement) {
    text = TEXT;
    isLoaded = false;
    isBusy = false;
    panel = "";
    problem = null;
    announcement = "";
    isOffline = false;

    typing = UNTOUCHED;
    /** A text put away for another one: `{text}`. */
    aside = null;
    /** Codes of the flags the agent has looked at. */
    looked = [];
    mustLook = false;

    caseId;
    wired;
    data;
    now = shown(undefined, USER_ID, 0);
    skewMs = 0;
    saidOf = "";
    focusOn = "";
    news;

    /** The case. On another one everything starts anew: no text goes from one case to the other. */
    @api
    get recordId() {
        return this.caseId;
    }
    set recordId(value) {
        if (value === this.caseId) return;
        this.caseId = value;
        this.data = undefined;
        this.isLoaded = false;
        this.startAnew();
        this.typing = UNTOUCHED;
        this.aside = null;
    }

    // --- life ----------------------------------------------------------------------------------------------------

    connectedCallback() {
        this.news = lookForNews(
            () => this.look(),
            () => this.now.isWaiting
        );
    }

    disconnectedCallback() {
        this.news.stop();
    }

    renderedCallback() {
        // A template sets only the attribute of a textarea, which says nothing once somebody has typed.
        const area = this.template.querySelector("textarea");
        if (area && area.value !== this.value) area.value = this.value;
        if (!this.focusOn) return;
        const wanted = this.template.querySelector(`[data-focus="${this.focusOn}"]`);
        this.focusOn = "";
        wanted?.focus();
    }

    @wire(load, { caseId: "$caseId" })
    arrived(result) {
        this.wired = result;
        if (result.error) {
            const refusal = refusalOf(result.error);
            this.isOffline = refusal.code === "offline" || refusal.code === "failed";
            if (!this.isOffline) this.problem = refusal;
            this.isLoaded = true;
        }
        if (result.data) this.take(result.data);
    }

    take(data) {
        this.isOffline = false;
        this.skewMs = data.now ? Date.parse(data.now) - Date.now() : 0;
        const isFirst = !this.isLoaded;
        const before = this.draft?.key;
        this.data = data;
        this.tick();
        if (this.draft?.key !== before) this.startAnew();
        this.isLoaded = true;
        if (isFirst) this.restore();
        this.say();
    }

    /** What was ticked and opened was meant for another draft. */
    startAnew() {
        this.panel = "";
        this.looked = [];
        this.mustLook = false;
    }

    /** Looks once; true when something is new. */
    async look() {
        const before = this.changeKey;
        if (this.wired) await refreshApex(this.wired);
        this.tick();
        if (this.isOffline) throw new Error("offline");
        return before !== this.changeKey;
    }

    tick() {
        this.now = shown(this.data, USER_ID, Date.now() + this.skewMs);
    }

    // --- what is shown -------------------------------------------------------------------------------------------

    get draft() {
        return this.now.draft;
    }

    get changeKey() {
        return [this.now.kind, this.draft?.key, this.draft?.status, this.data?.newestMessageId].join("|");
    }

    get isDraft() {
        return this.now.composer === "draft";
    }

    get isOwn() {
        return this.now.composer === "own" || this.now.composer === "waiting";
    }

    /** A text that is only read and copied: approved, on its way, or perhaps sent. */
    get isRead() {
        return this.draft !== null && ["handed_over", "read"].includes(this.now.composer);
    }

    get canOpenEmail() {
        return this.now.kind === "handed_over" && this.draft.mine && Boolean(this.draft.emailMessageId);
    }

    get oldText() {
        return this.isOwn && this.draft && !["sent", "answered_otherwise"].includes(this.now.kind)
            ? this.draft.body
            : "";
    }

    get addressing() {
        return this.isDraft || this.isRead ? this.draft.addressing : null;
    }

    get blocking() {
        return this.isDraft ? withTicks(this.draft.blocking, this.looked) : [];
    }

    get hasPanel() {
        return this.isDraft && this.panel !== "";
    }

    // --- the composer --------------------------------------------------------------------------------------------

    get ground() {
        return groundOf(this.now, this.data?.newestMessageId);
    }

    get value() {
        return valueOf(this.typing, this.ground);
    }

    get isEmpty() {
        return flat(this.value).trim() === "";
    }

    get canBringBack() {
        return Boolean(this.aside?.text) && !isChanged(this.typing) && flat(this.aside.text) !== flat(this.value);
    }

    get acceptLabel() {
        return this.isEdited ? TEXT.sendEdit : TEXT.accept;
    }

    /** What stands in the composer is not the draft as it stands now. */
    get isEdited() {
        return flat(this.value) !== flat(this.ground.offered);
    }

    get notice() {
        return noticeOf(this.data?.newMessages ?? [], this.isDraft, this.typing, this.ground);
    }

    get cannotSend() {
        return this.isBusy || this.notice !== null || this.isEmpty;
    }

    get heldBy() {
        return this.notice ? "notice-title" : null;
    }

    get busyText() {
        return this.isBusy ? TEXT.working : "";
    }

    write(event) {
        this.typing = written(this.typing, this.ground, event.target.value);
        this.remember();
    }

    remember() {
        keep("text", USER_ID, this.caseId, isChanged(this.typing) ? this.typing : null);
    }

    /** After a reload the typed text stands there again, and counts as written upon what was seen then. */
    restore() {
        this.aside = kept("aside", USER_ID, this.caseId);
        const before = kept("text", USER_ID, this.caseId);
        if (!before?.text || !before.upon) return;
        this.typing = before;
    }

    forget() {
        this.typing = UNTOUCHED;
        keep("text", USER_ID, this.caseId, null);
    }

    putAside() {
        if (!isChanged(this.typing)) return;
        this.aside = { text: this.typing.text };
        keep("aside", USER_ID, this.caseId, this.aside);
    }

    bringBack() {
        this.fillIn(this.aside.text);
        this.aside = null;
        keep("aside", USER_ID, this.caseId, null);
    }

    useOldDraft() {
        this.fillIn(this.oldText);
    }

    fillIn(text) {
        this.putAside();
        this.typing = { text, upon: this.ground };
        this.remember();
        this.focusOn = "text";
    }

    useNewDraft() {
        this.putAside();
        this.forget();
        this.focusOn = "text";
    }

    // --- deciding ------------------------------------------------------------------------------------------------

    lookAt(event) {
        const { code } = event.target.dataset;
        this.looked = event.target.checked ? [...this.looked, code] : this.looked.filter((known) => known !== code);
        this.mustLook = false;
    }

    accept() {
        if (this.cannotSend) return undefined;
        return this.isEdited ? this.approve("edit", this.value) : this.approve("accept", null);
    }

    /** The agent has seen what is new and sends this text all the same. */
    sendAnyway() {
        if (this.isBusy || this.isEmpty) return undefined;
        return this.isDraft ? this.approve("edit", this.value) : this.intoEmail();
    }

    approve(kind, text) {
        // A flag may be edited away: only Apex compares texts, here the untouched draft is checked.
        const open = this.isEdited ? [] : this.blocking.filter((flag) => !flag.isLooked);
        if (open.length > 0) {
            this.mustLook = true;
            this.focusOn = `flag-${open[0].code}`;
            this.announcement = TEXT.lookFirst;
            return undefined;
        }
        return this.decideOn({ kind, text, answers: this.ground.seen || null, acknowledged: this.looked });
    }

    saidInPanel(event) {
        return this.decideOn(event.detail);
    }

    decideOn(said) {
        const { recordId: draftRecordId, revision } = this.draft;
        const base = { text: null, answers: null, acknowledged: [], reason: null, comment: null };
        const isApproval = said.kind === "accept" || said.kind === "edit";
        return this.call(
            () => decide({ ...base, ...said, caseId: this.caseId, draftRecordId, revision }),
            () => {
                if (!isApproval) this.putAside();
                this.forget();
                this.startAnew();
                this.focusOn = "state";
            }
        );
    }

    intoEmail() {
        return this.call(
            () => startReply({ caseId: this.caseId, text: this.value }),
            (emailMessageId) => {
                if (!emailMessageId) {
                    this.problem = { title: "", message: TEXT.noEmail, by: "", at: "" };
                    return;
                }
                this.forget();
                this.open(emailMessageId);
            }
        );
    }

    /** One call at a time. What is refused is shown; what that tells of the case is read at once. */
    async call(work, done) {
        if (this.isBusy) return;
        this.isBusy = true;
        this.problem = null;
        this.mustLook = false;
        try {
            done(await work());
            await this.look().catch(() => {});
        } catch (error) {
            await this.refused(refusalOf(error));
        } finally {
            this.isBusy = false;
            this.news.soon();
        }
    }

    async refused(refusal) {
        this.problem = refusal;
        this.mustLook = refusal.code === "flags_not_acknowledged";
        this.focusOn = this.mustLook ? `flag-${refusal.flags?.[0]}` : "problem";
        if (!CHANGES_THE_CASE.includes(refusal.code)) return;
        this.panel = "";
        await this.look().catch(() => {});
    }

    // --- panels, copying, leaving --------------------------------------------------------------------------------

    openReject() {
        this.panel = "reject";
    }

    openAgain() {
        this.panel = "respond";
    }

    cancelPanel() {
        this.focusOn = `open-${this.panel}`;
        this.panel = "";
    }

    async copy() {
        const isCopied = await copyFrom(this.template.querySelector("[data-copy]"));
        this.announcement = isCopied ? TEXT.copied : TEXT.copyByHand;
    }

    openEmail() {
        this.open(this.draft.emailMessageId);
    }

    open(recordId) {
        const attributes = { recordId, objectApiName: "EmailMessage", actionName: "view" };
        this[NavigationMixin.Navigate]({ type: "standard__recordPage", attributes });
    }

    /** What changed is said once, for those who do not see it. */
    say() {
        const { notice, now } = this;
        const key = `${this.changeKey}|${notice === null}`;
        if (this.saidOf && this.saidOf !== key) {
            this.announcement = notice ? notice.text || notice.title : `${now.badge}. ${now.sentence}`;
        }
        this.saidOf = key;
    }
}
