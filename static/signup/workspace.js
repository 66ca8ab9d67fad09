// The workspace: its key, checked while it is typed, and the company's domains.

import { Refused } from "./api.js";
import { check, explain, mark, once, say } from "./fields.js";
import { text } from "./texts.js";

const section = document.querySelector("#workspace");
const form = section.querySelector("form");
const { key: keyInput, domain: domainInput } = form.elements;
const verdict = section.querySelector(".verdict");
const chips = section.querySelector(".chips");
const list = section.querySelector(".domains");
const notice = section.querySelector(".notice");
const KEY = /^[a-z0-9]{1,10}$/;
const HOST = /^(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const PAUSE = 300; // milliseconds without a keystroke before a key is checked

let journey;
let domains = [];
let required = ""; // the mail's own domain, which has to be among them
let timer = 0;
let asking = new AbortController();

function judge(message, kind = "") {
  verdict.textContent = message;
  verdict.className = `verdict ${kind}`;
}

function suggest(keys) {
  chips.replaceChildren(...keys.map((key) => {
    const chip = Object.assign(document.createElement("button"), { type: "button", className: "plain", textContent: key });
    chip.addEventListener("click", () => {
      keyInput.value = key;
      keyInput.focus();
      checkKey();
    });
    return chip;
  }));
}

/** Say at once what can be said without asking; whether there is something to ask. */
function prejudge() {
  clearTimeout(timer);
  asking.abort();
  mark(keyInput);
  const possible = KEY.test(keyInput.value);
  if (possible) judge(text("key_checking"));
  else judge(keyInput.value && text("key_pattern"), "bad");
  return possible;
}

async function checkKey() {
  if (!prejudge()) return;
  const key = keyInput.value;
  asking = new AbortController();
  try {
    const found = await journey.call("GET", `tenants/keys/${key}`, { signal: asking.signal });
    judge(text(found.available ? "key_free" : "key_taken", { key }), found.available ? "good" : "bad");
    if (!found.available) suggest(found.suggestions);
  } catch (error) {
    if (error.name === "AbortError") return;
    if (error.status === 401) journey.expire();
    else judge(""); // it is decided when the workspace is made
  }
}

keyInput.addEventListener("input", () => {
  keyInput.value = keyInput.value.toLowerCase();
  if (prejudge()) timer = setTimeout(checkKey, PAUSE);
});

function showDomains() {
  list.replaceChildren(...domains.map((domain) => {
    const item = document.createElement("li");
    item.append(domain);
    if (domain !== required) {
      const remove = Object.assign(document.createElement("button"), { type: "button", className: "link", textContent: "✕" });
      remove.setAttribute("aria-label", text("remove", { domain }));
      remove.addEventListener("click", () => {
        domains = domains.filter((other) => other !== domain);
        showDomains();
        domainInput.focus();
      });
      item.append(remove);
    }
    return item;
  }));
}

/** `domain` as the DNS has it: müller.example is xn--mller-kva.example. */
function inAscii(domain) {
  try {
    return /^[\x00-\x7f]*$/.test(domain) ? domain : new URL(`https://${domain}`).hostname;
  } catch {
    return domain;
  }
}

/** Take what is in the field into the list; whether that could be done, or there was nothing. */
function addDomain() {
  const typed = domainInput.value.trim().toLowerCase().replace(/^(https?:\/\/)?(www\.)?/, "").replace(/\/.*$/, "");
  const domain = inAscii(typed);
  mark(domainInput);
  if (!domain) return true;
  const fault = !HOST.test(domain) ? "domain_format" : domains.includes(domain) ? "domain_twice" : "";
  if (fault) {
    mark(domainInput, text(fault));
    domainInput.focus();
    return false;
  }
  domains.push(domain);
  domainInput.value = "";
  showDomains();
  return true;
}

section.querySelector("[data-add]").addEventListener("click", () => addDomain() && domainInput.focus());
domainInput.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !domainInput.value) return;
  event.preventDefault();
  addDomain();
});

/** Set the workspace up for `plan`, and go on when it stands. */
export async function setUpWorkspace(given, plan, show) {
  journey = given;
  const proposal = await journey.call("GET", `leads/${journey.leadId}/proposal`);
  section.querySelector("[data-plan]").textContent = plan.name;
  section.querySelector("[data-back]").onclick = () => show("plan");
  if (!keyInput.value) {
    keyInput.value = proposal.keys[0] ?? "";
    domains = proposal.domains;
    required = proposal.domains[0] ?? "";
  }
  suggest(proposal.keys.slice(1));
  showDomains();
  show("workspace");
  if (keyInput.value) checkKey();
  form.onsubmit = (event) => {
    event.preventDefault();
    once(form.querySelector("[type=submit]"), create);
  };
}

async function create() {
  say(notice, "");
  if (!check([keyInput])) return;
  if (!KEY.test(keyInput.value)) {
    mark(keyInput, text("key_pattern"));
    keyInput.focus();
    return;
  }
  if (!addDomain()) return;
  try {
    const tenant = await journey.call("POST", `leads/${journey.leadId}/tenants`, { body: { key: keyInput.value, domains } });
    await journey.provision(tenant.id);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    await recover(error);
  }
}

async function recover(refused) {
  if (refused.code === "KEY_TAKEN") {
    await checkKey();
    mark(keyInput, text("KEY_TAKEN"));
    keyInput.focus();
  } else if (refused.code === "PUBLIC_MAIL_DOMAIN" || refused.code === "DOMAIN_MISSING") {
    mark(domainInput, text(refused.code));
    domainInput.focus();
  } else if (refused.status === 401 || refused.code === "LEAD_HAS_TENANT") {
    // Made in another tab, or the token has ended: what the service has says which.
    await journey.resume().catch((error) => {
      if (!(error instanceof Refused) || error.status !== 401) throw error;
      journey.expire();
    });
  } else {
    explain(refused, [keyInput, domainInput], notice);
  }
}
