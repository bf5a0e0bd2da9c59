// Keeps the marked parts of a page fresh. The server sends HTML that it escaped; it is parsed, never executed, and put in
// place node by node. When the server does not answer, the page says since when it is stale: old news must not look new.

const main = document.getElementById("main");
const every = Number(main?.dataset.every ?? 0) * 1000;
let stale = false;

async function refresh() {
  if (document.hidden) return;
  const address = new URL(location.href);
  address.hash = "";
  address.searchParams.set("live", "1");
  const answer = await fetch(address, { cache: "no-store", redirect: "error", signal: AbortSignal.timeout(8000) });
  if (answer.status === 401) return leave();
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  swap(new DOMParser().parseFromString(await answer.text(), "text/html"));
  setFreshness(false);
}

function swap(fresh) {
  for (const part of fresh.querySelectorAll("[data-part]")) {
    const old = document.querySelector(`[data-part="${CSS.escape(part.dataset.part)}"]`);
    if (!old || isBusy(old) || old.dataset.seen === part.innerHTML) continue;
    old.dataset.seen = part.innerHTML;
    const focused = old.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    old.className = part.className;
    old.replaceChildren(...[...part.childNodes].map((node) => document.importNode(node, true)));
    prepare(old);
    if (focused) old.querySelector(`[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  }
  const time = fresh.querySelector("[data-freshness]");
  const shown = document.querySelector("[data-freshness]");
  if (time && shown) shown.textContent = time.textContent;
}

// Somebody is selecting text here, or filling in a form: leave it alone for now.
function isBusy(part) {
  if (part.matches("[data-form]") && part.contains(document.activeElement)) return true;
  if ([...part.querySelectorAll("textarea")].some((field) => field.value !== field.defaultValue)) return true;
  if (part.querySelector("details[data-row][open]")) return true; // an opened row is being read
  const selection = document.getSelection();
  return selection && !selection.isCollapsed && part.contains(selection.anchorNode);
}

function setFreshness(isStale) {
  stale = isStale;
  const shown = document.querySelector("[data-freshness]");
  if (!shown) return;
  shown.classList.toggle("stale", isStale);
  shown.classList.toggle("live", !isStale);
  if (isStale && !shown.textContent.startsWith("No answer")) {
    shown.textContent = `No answer from the console. ${shown.textContent}`;
  }
}

function leave() {
  location.reload();
  return new Promise(() => {});
}

async function watch() {
  for (;;) {
    await new Promise((next) => setTimeout(next, stale ? 2 * every : every));
    try {
      await refresh();
    } catch {
      setFreshness(true);
    }
  }
}

function prepare(root) {
  for (const button of root.querySelectorAll("[data-copy]")) {
    if (!navigator.clipboard) continue;
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.textContent = "Copied";
      setTimeout(() => (button.textContent = "Copy"), 1500);
    });
  }
}

// A one-time link carries its token behind "#": move it into the form and out of the address.
function takeToken() {
  const field = document.querySelector("[data-token]");
  if (!field || location.hash.length < 2) return;
  field.value = location.hash.slice(1);
  history.replaceState(null, "", location.pathname);
  field.form.querySelector("button").focus();
}

prepare(document);
takeToken();
addEventListener("hashchange", takeToken);
if (every > 0) {
  setFreshness(false);
  document.addEventListener("visibilitychange", () => document.hidden || refresh().catch(() => setFreshness(true)));
  watch();
}
