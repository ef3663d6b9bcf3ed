/*
 * The composer's promises: typed text is never replaced and never lost, what is new is said once, and the page looks
 * for news about once a second while it is visible. The server renders everything; this decides only what may be swapped.
 */
(() => {
  "use strict";

  const LOOK_EVERY_MS = 1000;
  const TICK_MS = 500;
  let clockSkew = 0;
  const serverNow = () => Date.now() + clockSkew;
  const byId = (id) => document.getElementById(id);
  const caseId = () => document.querySelector("main[data-case]")?.dataset.case ?? null;
  const root = () => byId("composer-root");
  const area = () => byId("reply-text");
  const flat = (text) => (text ?? "").replace(/\r\n?/g, "\n").trimEnd();
  const original = () => root()?.dataset.original ?? "";
  const changed = () => Boolean(area()) && flat(area().value) !== flat(original());
  const talking = () => Boolean(document.querySelector("#composer dialog[open]"));
  const kindShown = () => byId("state-box")?.dataset.key.split("|")[0] ?? "";

  /** The notice knows of something this composer was not written upon: until the agent has seen it, nothing goes out. */
  function held() {
    const [notice, composer] = [byId("notice-box"), root()];
    if (!composer || !notice?.querySelector("form")) return false;
    return notice.dataset.key !== composer.dataset.key || notice.dataset.seen !== composer.dataset.seen;
  }

  // --- what was typed, kept per case in this browser -------------------------------------------------------------

  const shelf = (name) => `desk.${name}.${caseId()}`;
  const put = (name, value) => {
    try {
      if (value === null) localStorage.removeItem(shelf(name));
      else localStorage.setItem(shelf(name), JSON.stringify(value));
    } catch { /* a full or forbidden storage: the text still stands in the page */ }
  };
  const take = (name) => {
    try { return JSON.parse(localStorage.getItem(shelf(name))); } catch { return null; }
  };

  function remember() {
    if (!area()) return;
    const { key, seen } = root().dataset;
    put("text", changed() ? { text: area().value, key, seen } : null);
  }

  /** After a reload the typed text stands there again, and counts as written upon what was seen then. */
  function restore() {
    const kept = caseId() ? take("text") : null;
    if (!kept || !area() || flat(kept.text) === flat(original())) return;
    area().value = kept.text;
    root().dataset.key = kept.key ?? "";
    root().dataset.seen = kept.seen ?? "";
  }

  /** What leaves the composer without being lost: the text, and the newest message its author had seen. */
  function putAside(text, seen = root()?.dataset.seen ?? "") {
    if (flat(text)) put("aside", { text, seen });
  }

  /** A reply that did not go out after all (undone, or something new came first): its text stands there again. */
  const NOT_SENT = ["written", "superseded", "withdrawn"];
  let leaving = null; // the draft that was on its way when last looked
  function giveBack() {
    const { draft, status } = byId("state-box")?.dataset ?? {};
    if (kindShown() === "sending") {
      leaving = draft;
      return;
    }
    if (leaving === null || !area()) return;
    const stayed = draft === leaving && NOT_SENT.includes(status);
    leaving = null;
    if (!stayed) return;
    const aside = take("aside");
    if (!aside?.text || changed() || flat(aside.text) === flat(area().value)) return;
    area().value = aside.text;
    if (aside.seen) root().dataset.seen = aside.seen;
    put("aside", null);
    remember();
  }

  // --- the composer's own looks ----------------------------------------------------------------------------------

  function refresh() {
    const waits = held();
    for (const button of document.querySelectorAll("#composer [data-sends]")) {
      const { when } = button.dataset;
      button.disabled = waits || (Boolean(when) && (when === "changed") !== changed());
      if (waits) button.setAttribute("aria-describedby", "held");
      else button.removeAttribute("aria-describedby");
    }
    if (byId("held")) byId("held").hidden = !waits;
    for (const form of document.querySelectorAll("#notice form[data-catch-up]")) form.hidden = !waits;
    const back = document.querySelector("[data-bring-back]");
    const aside = back ? take("aside") : null;
    if (back) back.hidden = !aside?.text || flat(aside.text) === flat(area().value) || changed();
    grow();
    tick();
  }

  function grow() {
    const box = area();
    if (!box || CSS.supports("field-sizing", "content")) return;
    box.rows = Math.min(24, Math.max(6, box.value.split("\n").length + 2));
  }

  /** Countdown of the undo window, and how long a state has lasted. */
  function tick() {
    for (const form of document.querySelectorAll("[data-until]")) {
      const left = Math.ceil((Date.parse(form.dataset.until) - serverNow()) / 1000);
      const shown = form.querySelector("[data-countdown]");
      const words = left > 0 ? `(${left} s)` : "";
      if (shown && shown.textContent !== words) shown.textContent = words;
      form.hidden = !(left > 0);
    }
    for (const mark of document.querySelectorAll("[data-since]")) {
      const seconds = Math.max(0, Math.round((serverNow() - Date.parse(mark.dataset.since)) / 1000));
      const words = seconds < 90 ? `for ${seconds} s` : seconds < 5400 ? `for ${Math.round(seconds / 60)} min` : "";
      if (mark.textContent !== words) mark.textContent = words;
    }
  }

  // --- saying what changed, once -----------------------------------------------------------------------------------

  const said = {};
  function announce(first) {
    for (const [id, by] of [["state-box", "key"], ["notice-box", "say"]]) {
      const box = byId(id);
      const now = box ? box.dataset[by] : "";
      if (now !== said[id] && now && !first) byId("announce").textContent = box.dataset.say;
      said[id] = now;
    }
  }

  // --- looking for news ------------------------------------------------------------------------------------------

  let etag = null;
  let etagFor = null;

  function look() {
    if (!document.hidden && byId("poll")) window.htmx.trigger(byId("poll"), "desk:look");
  }

  function asked(event) {
    const { ctx } = event.detail;
    const form = ctx.sourceElement;
    if (form.matches?.("[data-with-text]") && area()) ctx.request.body.set("text", area().value);
    if (form.id !== "poll") return;
    if (root()) {
      ctx.request.body.set("dirty", changed() || talking() ? "1" : "0");
      ctx.request.body.set("key", root().dataset.key);
      ctx.request.body.set("seen", root().dataset.seen);
    }
    const about = new URLSearchParams(ctx.request.body).toString();
    if (etag && etagFor === about) ctx.request.headers["If-None-Match"] = etag;
    etagFor = about;
    etag = null;
  }

  function answered(event) {
    const { ctx } = event.detail;
    const skew = Date.parse(ctx.response.headers.get("Date")) - Date.now();
    if (Math.abs(skew) > 2000) clockSkew = skew; // the header has whole seconds
    byId("offline").hidden = true;
    if (ctx.sourceElement.id === "poll") {
      etag = ctx.response.headers.get("ETag") ?? ctx.request.headers["If-None-Match"] ?? null;
      return;
    }
    etag = null;
    // What was typed into a window is kept there when it was refused.
    if (ctx.response.status < 400) document.querySelectorAll("dialog[open]").forEach((dialog) => dialog.close());
    if (ctx.hx?.trigger === "desk:taken") {
      const undone = ctx.request.action.endsWith("/undo");
      if (!undone) put("aside", null);
      if (changed() && ctx.request.action.includes("/draft/")) {
        putAside(area().value, ctx.request.body?.get?.("answers") || undefined); // an undo gives it back
      }
      put("text", null);
    }
    if (ctx.response.status < 400 && ctx.sourceElement.matches("[data-clear]")) ctx.sourceElement.reset();
  }

  /** The last gate: text typed between question and answer is not swapped away either. */
  function beforeSwap(event) {
    const { ctx, tasks } = event.detail;
    if (ctx.sourceElement.id !== "poll") return;
    // What went wrong stays to be read until the agent does something else, or the case itself has moved on.
    const notice = tasks.findIndex((task) => task.target?.id === "notice");
    const standing = byId("notice-box");
    if (notice >= 0 && standing?.classList.contains("refused")) {
      const next = tasks[notice].fragment?.querySelector("#notice-box");
      if (!next || (next.dataset.key === standing.dataset.key && next.dataset.seen === standing.dataset.seen)) {
        tasks.splice(notice, 1);
      }
    }
    if (!(changed() || talking())) return;
    const index = tasks.findIndex((task) => task.target?.id === "composer");
    if (index < 0) return;
    tasks.splice(index, 1);
    etag = null;
  }

  function settled() {
    // A text that was sent is no text to bring back.
    if (kindShown() === "sent") put("aside", null);
    giveBack();
    refresh();
    announce(false);
  }

  // --- small buttons -----------------------------------------------------------------------------------------------

  const clicks = {
    "[data-open]": (button) => byId(button.dataset.open)?.showModal(),
    "[data-close]": (button) => button.closest("dialog").close(),
    "[data-fill]": (button) => fill(byId(button.dataset.fill).textContent),
    "[data-bring-back]": () => fill(take("aside")?.text ?? null),
    "[data-use-draft]": () => { putAside(area()?.value); put("text", null); },
  };

  function fill(text) {
    if (!area() || text === null) return;
    if (changed()) putAside(area().value);
    area().value = text;
    remember();
    refresh();
    area().focus();
  }

  function clicked(event) {
    for (const [selector, act] of Object.entries(clicks)) {
      const button = event.target.closest?.(selector);
      if (button) act(button);
    }
  }

  function start() {
    restore();
    giveBack();
    refresh();
    announce(true);
    document.querySelector(".row[aria-current]")?.scrollIntoView({ block: "nearest" });
    const thread = document.querySelector(".thread-pane");
    if (thread && getComputedStyle(thread).overflowY === "auto") {
      byId("thread").lastElementChild?.scrollIntoView({ block: "end" });
    }
    document.addEventListener("input", (event) => {
      if (event.target !== area()) return;
      remember();
      refresh();
    });
    document.addEventListener("click", clicked, true);
    document.addEventListener("visibilitychange", look);
    document.addEventListener("htmx:config:request", asked);
    document.addEventListener("htmx:after:request", answered);
    document.addEventListener("htmx:before:swap", beforeSwap);
    document.addEventListener("htmx:after:settle", settled);
    document.addEventListener("htmx:error", () => { byId("offline").hidden = false; etag = null; });
    document.addEventListener("desk:taken", look);
    setInterval(look, LOOK_EVERY_MS);
    setInterval(tick, TICK_MS);
  }

  start();
})();
