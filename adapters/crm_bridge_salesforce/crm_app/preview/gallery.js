/* Mounts the scene named in the address (`gallery.html?scene=ready`). Decisions change the scene as Apex would. */
(() => {
    "use strict";

    const AFTER = { accept: "accepted", edit: "edited", reject: "rejected", respond: "regenerated" };
    const name = new URLSearchParams(location.search).get("scene") ?? "ready";
    const scene = structuredClone(window.crmBridgeScenes[name]);
    const calls = [];

    const refuse = (said) => Promise.reject({ body: { message: JSON.stringify(said) } });
    const decide = (said) => {
        calls.push(said);
        if (scene.draft.status !== "ready") {
            return refuse({
                code: "already_decided",
                message: "Somebody has decided on this draft already.",
                by: "Kim Lee"
            });
        }
        Object.assign(scene.draft, {
            status: AFTER[said.kind],
            decision: said.kind,
            finalBody: said.text,
            decidedById: window.crmBridgeUser,
            decidedBy: "Demo Agent",
            emailMessageId: said.kind === "accept" || said.kind === "edit" ? "02s000000000009AAA" : null
        });
        return {
            status: scene.draft.status,
            revision: scene.draft.revision,
            emailMessageId: scene.draft.emailMessageId
        };
    };

    window.crmBridgePage = {
        calls,
        scene,
        ...window.crmBridgeDraft.mount(document.getElementById("place"), {
            caseId: scene.caseId,
            userId: window.crmBridgeUser,
            load: () => structuredClone(scene),
            decide,
            startReply: (said) => {
                calls.push({ kind: "own", ...said });
                return "02s000000000009AAA";
            },
            navigate: (page) => calls.push({ kind: "navigate", ...page.attributes })
        })
    };
})();
