// The progress: the tenant's timeline, asked for again and again, the less often the longer nothing happens.

import { Refused } from "./api.js";
import { once } from "./fields.js";
import { recall } from "./session.js";
import { has, text } from "./texts.js";

const section = document.querySelector("#progress");
const list = section.querySelector(".story");
const heading = section.querySelector("h1");
const FIRST = 800, LONGEST = 15000, GROWTH = 1.4; // milliseconds between two questions
const STATES = { TENANT_PROVISIONING: "building", TENANT_PROVISIONING_FAILURE: "failed", TENANT_PROVISIONING_SUCCESS: "ready",
  TENANT_RESUMED: "ready", TENANT_SUSPENDED: "closed", TENANT_DEPROVISIONING: "closed", TENANT_DEPROVISIONED: "closed" };

let state = "";
let watch = 0; // which watching is the present one: a retry begins another

function enter(next) {
  if (next === state) return;
  state = next;
  for (const element of section.querySelectorAll("[data-when]")) element.hidden = element.dataset.when !== state;
  if (!has(`title:${state}`)) return;
  heading.textContent = text(`title:${state}`);
  document.title = document.title.replace(/^[^·]*/, `${heading.textContent} `);
  heading.focus({ preventScroll: true });
}

/** The entries that a customer cares for, the oldest first, each once. */
function story(entries) {
  let builds = 0;
  return entries
    .filter(({ kind, name, outcome }) => has(`${kind}:${name}`) && (kind !== "mail" || outcome === "delivered"))
    .reverse()
    .map(({ kind, name, time }) => {
      const again = name === "TENANT_PROVISIONING" && builds++ > 0;
      return { id: `${time} ${name}`, words: text(again ? "again" : `${kind}:${name}`), time, bad: name.endsWith("_FAILURE") };
    });
}

function line({ id, words, time, bad, open }) {
  const item = document.createElement("li");
  item.dataset.id = id;
  item.className = bad ? "bad" : open ? "open" : "";
  const label = document.createElement("span");
  label.textContent = words;
  item.append(label);
  if (time) {
    const moment = document.createElement("time");
    moment.dateTime = time;
    moment.textContent = new Date(time).toLocaleTimeString(document.documentElement.lang, { timeStyle: "medium" });
    item.append(moment);
  }
  return item;
}

/** Add what is new, so that a screen reader says no line twice; true when something was. */
function draw(steps) {
  const lines = state === "building" ? [...steps, { id: `open ${steps.length}`, words: text("building"), open: true }] : steps;
  const shown = [...list.children];
  const same = shown.findIndex((item, index) => item.dataset.id !== lines[index]?.id);
  const kept = same === -1 ? shown.length : same;
  if (kept === shown.length && shown.length === lines.length) return false;
  shown.slice(kept).forEach((item) => item.remove());
  list.append(...lines.slice(kept).map(line));
  return true;
}

/** Watch the tenant's story until it is over, or the token is. */
export async function watchProgress(journey, tenantId) {
  const open = section.querySelector("[data-open]");
  const retry = section.querySelector("[data-retry]");
  const mine = ++watch;
  let pause = FIRST;
  let wake = () => {};
  retry.onclick = () => once(retry, async () => {
    if (!recall().planId) return journey.plan({ id: tenantId }); // another tab chose it
    return journey.provision(tenantId).catch((error) => {
      if (!(error instanceof Refused)) throw error;
      return wake(); // the next question says what is wrong
    });
  });
  document.onvisibilitychange = () => document.hidden || wake();

  for (let quiet = 0; quiet < 4; ) {
    try {
      const entries = await journey.call("GET", `tenants/${tenantId}/timeline?limit=100`);
      if (mine !== watch) return;
      const last = entries.find(({ kind, name }) => kind === "event" && name in STATES);
      enter(last ? STATES[last.name] : "building");
      const url = entries.find(({ appPlaneUrl }) => appPlaneUrl)?.appPlaneUrl;
      if (url && /^https?:\/\//.test(url)) open.href = url;
      pause = draw(story(entries)) ? FIRST : Math.min(pause * GROWTH, LONGEST);
      quiet = state === "ready" || state === "closed" ? quiet + 1 : 0;
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (error.status === 401 || error.status === 404) return enter("over");
      pause = Math.max(error.retryAfter * 1000, Math.min(pause * 2, LONGEST));
    }
    await new Promise((done) => {
      wake = done;
      setTimeout(done, pause);
    });
  }
}
