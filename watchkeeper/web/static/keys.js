// Keys for lists and for an alert: j, k and Enter to move and open, letters to act. Every one of them does what a link or a
// button on the page does; nothing can be done by a key alone.

let chosen = "";

const rows = () => [...document.querySelectorAll("[data-keyed] [data-key-row]")];
const current = () => rows().find((row) => row.dataset.keyRow === chosen);

function choose(row) {
  for (const other of rows()) other.classList.toggle("chosen", other === row);
  chosen = row?.dataset.keyRow ?? "";
  row?.querySelector("a.opens")?.focus({ preventScroll: true });
  row?.scrollIntoView({ block: "nearest" });
}

function move(step) {
  const all = rows();
  const at = all.indexOf(current());
  choose(all[Math.min(all.length - 1, Math.max(0, at < 0 ? 0 : at + step))]);
}

function act(letter) {
  const row = current();
  if (row) {
    const button = row.querySelector(`[data-do="${letter}"]`);
    if (button) return button.click();
    const address = row.querySelector("a.opens")?.getAttribute("href");
    if (address && "cme".includes(letter)) location.assign(letter === "e" ? `${address}/exception` : `${address}#${letter}`);
    return;
  }
  const here = document.querySelector(`main [data-do="${letter}"]`);
  if (!here || rows().length) return;
  if (here.matches("input, textarea")) {
    here.focus();
    here.scrollIntoView({ block: "center" });
  } else here.click();
}

const keys = {
  j: () => move(1),
  k: () => move(-1),
  o: () => current()?.querySelector("a.opens")?.click(),
  a: () => act("a"),
  c: () => act("c"),
  m: () => act("m"),
  n: () => act("n"),
  r: () => act("r"),
  e: () => act("e"),
  u: () => document.querySelector("[data-up]")?.click(),
  "/": () => document.querySelector("[data-search]")?.focus(),
  "?": () => document.querySelector("[data-keys]")?.showModal(),
};

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest?.("input, textarea, select, dialog")) return;
  const does = keys[event.key];
  if (!does) return;
  event.preventDefault();
  does();
});

// A fresh part has no chosen row: choose it again.
for (const part of document.querySelectorAll("[data-keyed]")) {
  new MutationObserver(() => chosen && current()?.classList.add("chosen")).observe(part, { childList: true });
}

const help = document.querySelector("[data-keys-help]");
if (help) {
  help.hidden = false;
  help.addEventListener("click", keys["?"]);
}
if (location.hash === "#c") act("c");
