/**
 * Mounts the component outside Salesforce:
 * `crmBridgeDraft.mount(element, {caseId, userId, load, decide, startReply, navigate})`.
 * The functions take and return what Apex would (README.md beside this file); an error is thrown as
 * `{body: {message: JSON.stringify({code, message, …})}}`. Returns `{refresh(), unmount()}`.
 */
import "@lwc/synthetic-shadow";
import { createElement } from "lwc";
import CrmBridgeDraft from "c/crmBridgeDraft";
import { give, refreshAll } from "./bridge.js";

export function mount(element, { caseId, ...functions }) {
    give(functions);
    const component = createElement("c-crm-bridge-draft", { is: CrmBridgeDraft });
    component.recordId = caseId;
    element.appendChild(component);
    return {
        refresh: () => refreshAll(),
        unmount: () => component.remove()
    };
}
