/** What a draft is grounded in and what was remarked on it. Shows, and nothing else. */
import { LightningElement, api } from "lwc";
import aboutData from "@salesforce/label/c.CRMB_About_data";
import aboutText from "@salesforce/label/c.CRMB_About_text";
import note from "@salesforce/label/c.CRMB_Note";
import repair from "@salesforce/label/c.CRMB_Repair";
import sourcesLabel from "@salesforce/label/c.CRMB_Sources";

export default class CrmBridgeDraftGround extends LightningElement {
    /** Informing flags, findings and sources as `crmBridgeDraft/view.js` makes them. */
    @api flags = [];
    @api findings = [];
    @api sources = [];

    text = { aboutData, aboutText, sources: sourcesLabel };

    get namedFindings() {
        return this.findings.map((finding) => ({
            ...finding,
            title: (finding.blocking ? repair : note).replace("{0}", () => finding.name)
        }));
    }
}
