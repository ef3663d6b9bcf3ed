/*
 * Keeps a page of the emulated org current, and mounts the package's component on a case page.
 * The page is asked for again and its parts (`data-part`) are exchanged when their `data-key` differs; what somebody
 * types in a mail draft stays. Everything that comes is HTML of the org's own server, with all text escaped.
 */
(() => {
    "use strict";

    const EVERY_MS = 2000;
    const place = document.getElementById("component");
    let component = null;
    let looking = false;

    /* What somebody types stands in the new textarea of the same id, with the cursor where it was. */
    const keepTyped = (part) => {
        const active = document.activeElement;
        const typed = [...part.querySelectorAll("textarea")].filter((area) => area.value !== area.defaultValue || area === active);
        return () => {
            for (const area of typed) {
                const fresh = document.getElementById(area.id);
                if (fresh === null) continue;
                fresh.value = area.value;
                if (area !== active) continue;
                fresh.focus();
                fresh.setSelectionRange(area.selectionStart, area.selectionEnd);
            }
        };
    };

    const exchange = (html) => {
        const fresh = new DOMParser().parseFromString(html, "text/html");
        let changed = false;
        for (const part of document.querySelectorAll("[data-part]")) {
            const newer = fresh.querySelector(`[data-part="${part.dataset.part}"]`);
            if (newer === null || newer.dataset.key === part.dataset.key) continue;
            const putBack = keepTyped(part);
            part.dataset.key = newer.dataset.key;
            part.replaceChildren(...newer.childNodes);
            putBack();
            changed = true;
        }
        if (changed) component?.refresh();
    };

    const look = async () => {
        if (looking || document.hidden) return;
        looking = true;
        try {
            const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
            if (answer.ok) exchange(await answer.text());
            document.getElementById("offline").hidden = answer.ok;
        } catch {
            document.getElementById("offline").hidden = false;
        } finally {
            looking = false;
        }
    };

    const submit = async (form, button) => {
        const body = new URLSearchParams(new FormData(form, button));
        const answer = await fetch(button?.getAttribute("formaction") ?? form.action, { method: "POST", body });
        if (!answer.ok) {
            const problem = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("problem");
            window.alert(problem?.textContent ?? "That was not done.");
            return;
        }
        for (const area of form.querySelectorAll("textarea")) {
            if ("clears" in form.dataset) area.value = "";
            area.defaultValue = area.value; // what was sent is not being typed any more
            area.blur();
        }
        exchange(await answer.text());
        component?.refresh();
    };

    document.addEventListener("submit", (event) => {
        if (!("live" in event.target.dataset)) return;
        event.preventDefault();
        submit(event.target, event.submitter).catch(() => {
            document.getElementById("offline").hidden = false;
        });
    });

    /* The component's calls. What is refused has a body as Apex's refusals have; no answer at all has none. */
    const call = async (address, said) => {
        const headers = { "Content-Type": "application/json", "X-CSRFToken": place.dataset.token };
        const options = said === undefined ? {} : { method: "POST", headers, body: JSON.stringify(said) };
        const answer = await fetch(address, options);
        const text = await answer.text();
        if (!answer.ok) throw Object.assign(new Error("refused"), { body: { message: text } });
        return JSON.parse(text);
    };
    const then = async (promise) => {
        const result = await promise;
        await look();
        return result;
    };
    const open = async ({ attributes }) => {
        await look();
        document.getElementById(`mail-${attributes.recordId}`)?.focus();
    };

    if (place !== null) {
        const { user: userId, case: caseId, load, decide, reply } = place.dataset;
        component = window.crmBridgeDraft.mount(place, {
            caseId,
            userId,
            load: () => call(load),
            decide: (said) => then(call(decide, said)),
            startReply: async (said) => (await then(call(reply, said))).id,
            navigate: open
        });
    }
    setInterval(look, EVERY_MS);
    document.addEventListener("visibilitychange", look);
})();
