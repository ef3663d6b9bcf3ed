/**
 * The two small forms of a draft: why it is rejected, and what the next one should do. Fires `said` with
 * `{kind, reason, comment}` once that is complete, and `cancel` (also with Escape).
 */
import { LightningElement, api } from "lwc";
import againNow from "@salesforce/label/c.CRMB_Again_now";
import againQuestion from "@salesforce/label/c.CRMB_Again_question";
import againTitle from "@salesforce/label/c.CRMB_Again_title";
import cancel from "@salesforce/label/c.CRMB_Cancel";
import chooseReason from "@salesforce/label/c.CRMB_Choose_reason";
import comment from "@salesforce/label/c.CRMB_Comment";
import optional from "@salesforce/label/c.CRMB_Optional";
import incomplete from "@salesforce/label/c.CRMB_Reject_incomplete";
import notNeeded from "@salesforce/label/c.CRMB_Reject_not_needed";
import rejectNow from "@salesforce/label/c.CRMB_Reject_now";
import other from "@salesforce/label/c.CRMB_Reject_other";
import staleData from "@salesforce/label/c.CRMB_Reject_stale_data";
import rejectTitle from "@salesforce/label/c.CRMB_Reject_title";
import tone from "@salesforce/label/c.CRMB_Reject_tone";
import wrongCustomer from "@salesforce/label/c.CRMB_Reject_wrong_customer";
import wrongFacts from "@salesforce/label/c.CRMB_Reject_wrong_facts";
import sayWhat from "@salesforce/label/c.CRMB_Say_what";
import why from "@salesforce/label/c.CRMB_Why";

/** In the order shown; the value is what is counted. Apex knows the same list. */
const REASONS = Object.freeze([
    { value: "wrong_facts", label: wrongFacts },
    { value: "tone", label: tone },
    { value: "incomplete", label: incomplete },
    { value: "stale_data", label: staleData },
    { value: "wrong_customer", label: wrongCustomer },
    { value: "not_needed", label: notNeeded },
    { value: "other", label: other }
]);
const TEXT = Object.freeze({
    againNow,
    againQuestion,
    againTitle,
    cancel,
    chooseReason,
    comment,
    optional,
    rejectNow,
    rejectTitle,
    sayWhat,
    why
});

export default class CrmBridgeDraftPanel extends LightningElement {
    /** `reject` or `respond`. */
    @api kind;
    /** While something is being saved. */
    @api busy = false;

    text = TEXT;
    reason = "";
    comment = "";
    isIncomplete = false;
    wantsFocus = true;

    renderedCallback() {
        if (!this.wantsFocus) return;
        this.wantsFocus = false;
        this.template.querySelector(this.isReject ? "fieldset" : "textarea")?.focus();
    }

    get isReject() {
        return this.kind === "reject";
    }

    get reasons() {
        return REASONS.map((known) => ({ ...known, isChosen: known.value === this.reason }));
    }

    choose(event) {
        this.reason = event.target.value;
        this.isIncomplete = false;
    }

    write(event) {
        this.comment = event.target.value;
        this.isIncomplete = false;
    }

    say() {
        const isComplete = this.isReject ? this.reason !== "" : this.comment.trim() !== "";
        if (!isComplete) {
            this.isIncomplete = true;
            this.wantsFocus = true;
            return;
        }
        const { kind, reason, comment: words } = this;
        this.dispatchEvent(new CustomEvent("said", { detail: { kind, reason: reason || null, comment: words } }));
    }

    leave() {
        this.dispatchEvent(new CustomEvent("cancel"));
    }

    key(event) {
        if (event.key !== "Escape") return;
        event.stopPropagation();
        this.leave();
    }
}
