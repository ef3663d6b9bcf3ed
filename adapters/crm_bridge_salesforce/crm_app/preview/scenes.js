/* What Apex would answer in every state of the closed list, for pictures and tests. `window.crmBridgeScenes[name]`. */
(() => {
    "use strict";

    const USER = "005000000000001AAA";
    const draft = (more) => ({
        recordId: "a00000000000001AAA",
        draftId: "draft-1",
        revision: 1,
        status: "ready",
        body:
            "Hello Ada,\n\nyour parcel left our warehouse on Monday and is with the carrier now. Standard delivery takes " +
            "two to three working days, so it should reach you by Thursday.\n\nIf it has not come by then, please write to " +
            "us again and we will send you a new one.\n\nKind regards\nYour support team",
        finalBody: null,
        language: "en",
        sources: JSON.stringify([
            {
                id: "ka1",
                title: "How long does delivery take?",
                url: "https://help.example.com/delivery",
                excerpt: "Standard delivery takes two to three working days."
            },
            { id: "ka2", title: "What if a parcel is lost?", url: "", excerpt: "After five days we send a new one." }
        ]),
        findings: "[]",
        flags: "[]",
        addressing: JSON.stringify({
            channel: "email",
            sender: "support@example.com",
            to: ["ada@example.org"],
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
    });
    const scene = (kind, sentence, action, more = {}) => ({
        caseId: "500000000000001AAA",
        state: {
            kind,
            sentence,
            action,
            reason: more.reason ?? null,
            sequence: 7,
            since: "2026-11-23T10:00:00.000Z",
            detail: JSON.stringify({
                revision: more.draft?.revision ?? 1,
                by: more.by ?? "",
                findings: more.findings ?? []
            })
        },
        draft: more.draft === undefined ? null : more.draft,
        newMessages: more.newMessages ?? [],
        newestMessageId: more.newMessages ? "02s000000000002AAA" : "02s000000000001AAA",
        now: "2026-11-23T10:00:12.000Z",
        appVersion: "0.1.0"
    });
    const mine = {
        decision: "accept",
        decidedById: USER,
        decidedBy: "Demo Agent",
        emailMessageId: "02s000000000009AAA"
    };
    const flags = JSON.stringify([
        {
            code: "amount_not_in_sources",
            severity: "blocking",
            detail: "An amount that no source has.",
            excerpt: "20 EUR"
        },
        {
            code: "promise",
            severity: "informing",
            detail: "Something is promised.",
            excerpt: "we will send you a new one"
        }
    ]);
    const news = [
        {
            id: "02s000000000002AAA",
            author: "Ada Young",
            text: "It just arrived, but the box is damaged. What now?",
            sentAt: "2026-11-23T10:00:10.000Z"
        }
    ];
    const decide = "Accept, edit or reject it.";

    window.crmBridgeUser = USER;
    window.crmBridgeScenes = {
        drafting: scene("drafting", "A reply is being drafted.", "Wait, or write your own reply."),
        ready: scene("ready", "A draft is ready.", decide, { draft: draft() }),
        ready_flags: scene("ready", "A draft is ready.", decide, {
            draft: draft({
                flags,
                findings: JSON.stringify([
                    {
                        code: "stale",
                        severity: "informing",
                        field: "Contact.Phone",
                        detail: "Not changed for two years."
                    }
                ]),
                body: "Hello Ada,\n\nwe are sorry. You get 20 EUR back, and we will send you a new one.\n\nYour support team"
            })
        }),
        ready_news: scene("ready", "A draft is ready.", decide, { draft: draft(), newMessages: news }),
        no_draft: scene(
            "no_draft",
            "No draft: the data of this case is not good enough.",
            "Repair the fields named, or answer.",
            {
                reason: "data",
                findings: [
                    {
                        code: "empty",
                        severity: "blocking",
                        field: "Contact.Email",
                        detail: "There is no address to answer to."
                    }
                ]
            }
        ),
        no_draft_paused: scene("no_draft", "No draft: drafting is paused by Kim Lee.", "Answer yourself meanwhile.", {
            reason: "paused",
            by: "Kim Lee"
        }),
        superseded: scene(
            "superseded",
            "Something new was said; this draft is out of date and a new one is coming.",
            "Read what is new; your own text is kept.",
            { draft: draft({ status: "superseded" }), newMessages: news }
        ),
        sending: scene("sending", "The reply is being sent.", "Wait a moment.", {
            draft: draft({ status: "accepted", ...mine })
        }),
        handed_over: scene("handed_over", "The text is in your own mail draft.", "Send it there.", {
            draft: draft({ status: "handed_over", ...mine })
        }),
        handed_over_copy: scene("handed_over", "The text is in your own mail draft.", "Send it there.", {
            draft: draft({ status: "accepted", ...mine, emailMessageId: null })
        }),
        handed_over_other: scene("handed_over", "The text is in your own mail draft.", "Send it there.", {
            draft: draft({ status: "accepted", ...mine, decidedById: "005000000000002AAA", decidedBy: "Kim Lee" })
        }),
        sent: scene("sent", "The reply was sent.", "Nothing to do.", { draft: draft({ status: "sent", ...mine }) }),
        could_not_send: scene(
            "could_not_send",
            "The text handed over was not sent.",
            "Decide on the newest draft, or answer yourself.",
            { draft: draft({ status: "not_sent", ...mine }) }
        ),
        unconfirmed: scene(
            "unconfirmed",
            "It is not certain whether the reply went out.",
            "Look in the thread, then say: it went out, or send again.",
            { draft: draft({ status: "accepted", ...mine }) }
        ),
        rejected: scene("rejected", "The draft was rejected.", "Write your own reply, or ask for another.", {
            draft: draft({ status: "rejected", decidedById: USER, decidedBy: "Demo Agent" }),
            by: "Demo Agent"
        }),
        answered_otherwise: scene("answered_otherwise", "The case was answered otherwise.", "Nothing to do.", {
            draft: draft({ status: "answered_otherwise" })
        }),
        decided_too_late: scene(
            "decided_too_late",
            "This decision came too late: something newer stands. Nothing was sent.",
            "Look at the newest draft and decide again.",
            { draft: draft({ revision: 2 }), by: "Kim Lee" }
        )
    };
})();
