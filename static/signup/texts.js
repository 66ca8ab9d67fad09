// The texts, translated, that the page carries in its <template id="texts">.

const all = new Map(
  [...document.querySelector("#texts").content.querySelectorAll("[data-name]")].map((item) => [item.dataset.name, item.textContent]),
);

export const has = (name) => all.has(name);

/** The text `name`, with {placeholders} filled in. */
export function text(name, values = {}) {
  return all.get(name).replace(/\{(\w+)\}/g, (_, key) => values[key]);
}

/** What to tell somebody about a call that was refused. */
export function sorry(refused) {
  if (refused.status === 0) return text("offline");
  if (refused.status === 429) return text("busy", { seconds: refused.retryAfter || 60 });
  if (has(refused.code)) return text(refused.code);
  return text("failed");
}
