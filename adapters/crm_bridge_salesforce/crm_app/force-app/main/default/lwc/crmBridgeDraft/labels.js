// Every text of the component, as a custom label: an admin can translate them in the Translation Workbench.
// The words of a state itself come from the record; those here stand in until the bridge has said them.
import accept from "@salesforce/label/c.CRMB_Accept";
import acceptAnyway from "@salesforce/label/c.CRMB_Accept_anyway";
import actionAnsweredOtherwise from "@salesforce/label/c.CRMB_Action_answered_otherwise";
import actionCouldNotSend from "@salesforce/label/c.CRMB_Action_could_not_send";
import actionDecidedTooLate from "@salesforce/label/c.CRMB_Action_decided_too_late";
import actionDrafting from "@salesforce/label/c.CRMB_Action_drafting";
import actionHandedOver from "@salesforce/label/c.CRMB_Action_handed_over";
import actionHandedOverCopy from "@salesforce/label/c.CRMB_Action_handed_over_copy";
import actionHandedOverOther from "@salesforce/label/c.CRMB_Action_handed_over_other";
import actionNew from "@salesforce/label/c.CRMB_Action_new";
import actionNoDraft from "@salesforce/label/c.CRMB_Action_no_draft";
import actionReady from "@salesforce/label/c.CRMB_Action_ready";
import actionRejected from "@salesforce/label/c.CRMB_Action_rejected";
import actionSending from "@salesforce/label/c.CRMB_Action_sending";
import actionSent from "@salesforce/label/c.CRMB_Action_sent";
import actionSuperseded from "@salesforce/label/c.CRMB_Action_superseded";
import actionUnconfirmed from "@salesforce/label/c.CRMB_Action_unconfirmed";
import approvedText from "@salesforce/label/c.CRMB_Approved_text";
import badgeAnsweredOtherwise from "@salesforce/label/c.CRMB_Badge_answered_otherwise";
import badgeCouldNotSend from "@salesforce/label/c.CRMB_Badge_could_not_send";
import badgeDecidedTooLate from "@salesforce/label/c.CRMB_Badge_decided_too_late";
import badgeDrafting from "@salesforce/label/c.CRMB_Badge_drafting";
import badgeHandedOver from "@salesforce/label/c.CRMB_Badge_handed_over";
import badgeNew from "@salesforce/label/c.CRMB_Badge_new";
import badgeNoDraft from "@salesforce/label/c.CRMB_Badge_no_draft";
import badgeReady from "@salesforce/label/c.CRMB_Badge_ready";
import badgeRejected from "@salesforce/label/c.CRMB_Badge_rejected";
import badgeSending from "@salesforce/label/c.CRMB_Badge_sending";
import badgeSent from "@salesforce/label/c.CRMB_Badge_sent";
import badgeSuperseded from "@salesforce/label/c.CRMB_Badge_superseded";
import badgeUnconfirmed from "@salesforce/label/c.CRMB_Badge_unconfirmed";
import bringBack from "@salesforce/label/c.CRMB_Bring_back";
import by from "@salesforce/label/c.CRMB_By";
import cc from "@salesforce/label/c.CRMB_Cc";
import channel from "@salesforce/label/c.CRMB_Channel";
import copied from "@salesforce/label/c.CRMB_Copied";
import copy from "@salesforce/label/c.CRMB_Copy";
import copyByHand from "@salesforce/label/c.CRMB_Copy_by_hand";
import draftText from "@salesforce/label/c.CRMB_Draft_text";
import emptyMessage from "@salesforce/label/c.CRMB_Empty_message";
import failed from "@salesforce/label/c.CRMB_Failed";
import forMinutes from "@salesforce/label/c.CRMB_For_minutes";
import forSeconds from "@salesforce/label/c.CRMB_For_seconds";
import from from "@salesforce/label/c.CRMB_From";
import intoEmail from "@salesforce/label/c.CRMB_Into_email";
import loading from "@salesforce/label/c.CRMB_Loading";
import lookFirst from "@salesforce/label/c.CRMB_Look_first";
import lookedAt from "@salesforce/label/c.CRMB_Looked_at";
import mustLook from "@salesforce/label/c.CRMB_Must_look";
import newMessage from "@salesforce/label/c.CRMB_New_message";
import news from "@salesforce/label/c.CRMB_News";
import newsDraft from "@salesforce/label/c.CRMB_News_draft";
import newsFrom from "@salesforce/label/c.CRMB_News_from";
import newsSeen from "@salesforce/label/c.CRMB_News_seen";
import newsTitle from "@salesforce/label/c.CRMB_News_title";
import noEmail from "@salesforce/label/c.CRMB_No_email";
import offline from "@salesforce/label/c.CRMB_Offline";
import oldDraft from "@salesforce/label/c.CRMB_Old_draft";
import openEmail from "@salesforce/label/c.CRMB_Open_email";
import ownHint from "@salesforce/label/c.CRMB_Own_hint";
import ownText from "@salesforce/label/c.CRMB_Own_text";
import reasonBudget from "@salesforce/label/c.CRMB_Reason_budget";
import reasonData from "@salesforce/label/c.CRMB_Reason_data";
import reasonMeasuredWithoutAi from "@salesforce/label/c.CRMB_Reason_measured_without_ai";
import reasonNoSource from "@salesforce/label/c.CRMB_Reason_no_source";
import reasonNotInRollout from "@salesforce/label/c.CRMB_Reason_not_in_rollout";
import reasonPaused from "@salesforce/label/c.CRMB_Reason_paused";
import reasonPolicy from "@salesforce/label/c.CRMB_Reason_policy";
import reasonTechnical from "@salesforce/label/c.CRMB_Reason_technical";
import refusedBy from "@salesforce/label/c.CRMB_Refused_by";
import refusedTitle from "@salesforce/label/c.CRMB_Refused_title";
import reject from "@salesforce/label/c.CRMB_Reject";
import revision from "@salesforce/label/c.CRMB_Revision";
import sendAnyway from "@salesforce/label/c.CRMB_Send_anyway";
import sendEdit from "@salesforce/label/c.CRMB_Send_edit";
import sentenceAnsweredOtherwise from "@salesforce/label/c.CRMB_Sentence_answered_otherwise";
import sentenceCouldNotSend from "@salesforce/label/c.CRMB_Sentence_could_not_send";
import sentenceDecidedTooLate from "@salesforce/label/c.CRMB_Sentence_decided_too_late";
import sentenceDrafting from "@salesforce/label/c.CRMB_Sentence_drafting";
import sentenceHandedOver from "@salesforce/label/c.CRMB_Sentence_handed_over";
import sentenceHandedOverCopy from "@salesforce/label/c.CRMB_Sentence_handed_over_copy";
import sentenceHandedOverOther from "@salesforce/label/c.CRMB_Sentence_handed_over_other";
import sentenceNew from "@salesforce/label/c.CRMB_Sentence_new";
import sentenceNoDraft from "@salesforce/label/c.CRMB_Sentence_no_draft";
import sentenceReady from "@salesforce/label/c.CRMB_Sentence_ready";
import sentenceRejected from "@salesforce/label/c.CRMB_Sentence_rejected";
import sentenceSending from "@salesforce/label/c.CRMB_Sentence_sending";
import sentenceSent from "@salesforce/label/c.CRMB_Sentence_sent";
import sentenceSuperseded from "@salesforce/label/c.CRMB_Sentence_superseded";
import sentenceUnconfirmed from "@salesforce/label/c.CRMB_Sentence_unconfirmed";
import slow from "@salesforce/label/c.CRMB_Slow";
import title from "@salesforce/label/c.CRMB_Title";
import to from "@salesforce/label/c.CRMB_To";
import tryAgain from "@salesforce/label/c.CRMB_Try_again";
import useNewDraft from "@salesforce/label/c.CRMB_Use_new_draft";
import useOldDraft from "@salesforce/label/c.CRMB_Use_old_draft";
import working from "@salesforce/label/c.CRMB_Working";

export const BADGES = Object.freeze({
    drafting: badgeDrafting,
    ready: badgeReady,
    no_draft: badgeNoDraft,
    superseded: badgeSuperseded,
    sending: badgeSending,
    handed_over: badgeHandedOver,
    sent: badgeSent,
    could_not_send: badgeCouldNotSend,
    unconfirmed: badgeUnconfirmed,
    rejected: badgeRejected,
    answered_otherwise: badgeAnsweredOtherwise,
    decided_too_late: badgeDecidedTooLate,
    new: badgeNew
});

export const REASONS = Object.freeze({
    data: reasonData,
    no_source: reasonNoSource,
    policy: reasonPolicy,
    not_in_rollout: reasonNotInRollout,
    measured_without_ai: reasonMeasuredWithoutAi,
    budget: reasonBudget,
    paused: reasonPaused,
    technical: reasonTechnical
});

export const SENTENCES = Object.freeze({
    drafting: sentenceDrafting,
    ready: sentenceReady,
    no_draft: sentenceNoDraft,
    superseded: sentenceSuperseded,
    sending: sentenceSending,
    handed_over: sentenceHandedOver,
    handed_over_other: sentenceHandedOverOther,
    handed_over_copy: sentenceHandedOverCopy,
    sent: sentenceSent,
    could_not_send: sentenceCouldNotSend,
    unconfirmed: sentenceUnconfirmed,
    rejected: sentenceRejected,
    answered_otherwise: sentenceAnsweredOtherwise,
    decided_too_late: sentenceDecidedTooLate,
    new: sentenceNew
});

export const ACTIONS = Object.freeze({
    drafting: actionDrafting,
    ready: actionReady,
    no_draft: actionNoDraft,
    superseded: actionSuperseded,
    sending: actionSending,
    handed_over: actionHandedOver,
    handed_over_other: actionHandedOverOther,
    handed_over_copy: actionHandedOverCopy,
    sent: actionSent,
    could_not_send: actionCouldNotSend,
    unconfirmed: actionUnconfirmed,
    rejected: actionRejected,
    answered_otherwise: actionAnsweredOtherwise,
    decided_too_late: actionDecidedTooLate,
    new: actionNew
});

/** Texts the template uses by name. */
export const TEXT = Object.freeze({
    title,
    revision,
    slow,
    forSeconds,
    forMinutes,
    by,
    draftText,
    ownText,
    ownHint,
    accept,
    sendEdit,
    tryAgain,
    reject,
    copy,
    copied,
    copyByHand,
    intoEmail,
    openEmail,
    noEmail,
    bringBack,
    approvedText,
    oldDraft,
    useOldDraft,
    working,
    from,
    to,
    cc,
    channel,
    mustLook,
    lookedAt,
    lookFirst,
    newsTitle,
    news,
    newsDraft,
    newsFrom,
    newsSeen,
    sendAnyway,
    acceptAnyway,
    useNewDraft,
    newMessage,
    refusedTitle,
    refusedBy,
    failed,
    offline,
    emptyMessage,
    loading
});

/** A text with `{0}` filled in. */
export function fill(text, value) {
    return text.replace("{0}", () => String(value));
}
