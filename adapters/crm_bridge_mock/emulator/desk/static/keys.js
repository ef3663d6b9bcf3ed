/*
 * Shortcuts. Single keys act only while nothing is being typed and no window is open, and can be turned off;
 * each one presses a button or a link that is on the page, so nothing works by key alone.
 */
(() => {
  "use strict";

  const OFF = "desk.keys.off";
  const byId = (id) => document.getElementById(id);
  const on = () => { try { return localStorage.getItem(OFF) !== "1"; } catch { return true; } };
  // a window that was just closed may keep the focus in its hidden field for a moment
  const typing = (target) =>
    (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName)) && target.checkVisibility();

  function press(selector) {
    const found = document.querySelector(selector);
    if (found && !found.disabled && !found.closest("[hidden]")) found.click();
    return Boolean(found);
  }

  function move(step) {
    const rows = [...document.querySelectorAll("a.row")];
    if (!rows.length) return;
    const at = rows.findIndex((row) => row.hasAttribute("aria-current"));
    const next = at < 0 ? (step > 0 ? 0 : rows.length - 1) : at + step;
    if (rows[next]) rows[next].click();
  }

  const held = () => Boolean(byId("held")) && !byId("held").hidden;
  const sayHeld = () => { byId("announce").textContent = byId("held").textContent; };

  function accept() {
    const button = byId("accept");
    if (!button) return;
    if (held()) sayHeld();
    else if (button.disabled) byId("announce").textContent = "You changed the text. Send it as your edit.";
    else button.form.requestSubmit(button);
  }

  const keys = {
    j: () => move(1),
    k: () => move(-1),
    a: accept,
    e: () => byId("reply-text")?.focus(),
    r: () => press("[data-open=reject]"),
    t: () => press("[data-open=again]"),
    u: () => press("#undo"),
    "?": () => byId("help").showModal(),
  };

  function send(target) {
    if (target.id === "reply-text" && held()) {
      sayHeld();
      return;
    }
    const buttons = [...target.form.querySelectorAll("button[type=submit]:not(:disabled)")];
    if (buttons.length) target.form.requestSubmit(buttons[0]);
  }

  document.addEventListener("keydown", (event) => {
    const { target, key } = event;
    if (event.isComposing || event.defaultPrevented) return;
    if (typing(target)) {
      if (key === "Enter" && (event.ctrlKey || event.metaKey) && target.id === "reply-text") {
        event.preventDefault();
        send(target);
      } else if (key === "Escape" && target.id === "reply-text") {
        target.blur();
      }
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || !on()) return;
    if (document.querySelector("dialog[open]") || !keys[key]) return;
    event.preventDefault();
    keys[key]();
  });

  const choice = byId("keys-on");
  choice.checked = on();
  choice.addEventListener("change", () => {
    try { localStorage.setItem(OFF, choice.checked ? "0" : "1"); } catch { /* then it lasts for this page */ }
  });
})();
