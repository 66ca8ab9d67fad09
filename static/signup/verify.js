// /signup/verify/{leadId}: from the mail's link to the workspace. One page, so that the token need not leave it.

import { Refused, call } from "./api.js";
import { once, say } from "./fields.js";
import { choosePlan } from "./plan.js";
import { watchProgress } from "./progress.js";
import { offerResend } from "./resend.js";
import { forget, recall, remember } from "./session.js";
import { sorry, text } from "./texts.js";
import { setUpWorkspace } from "./workspace.js";

const panel = document.querySelector("#panel");
const sections = [...panel.querySelectorAll("section")];
const leadId = panel.dataset.lead;
const PENDING = 1; // the tenant stands and nobody has asked for its resources yet

/** Show one section and put the focus on its heading, so that nobody has to look for it. */
export function show(id) {
  for (const section of sections) section.hidden = section.id !== id;
  panel.classList.toggle("wide", id === "plan");
  const heading = document.querySelector(`#${id} h1`);
  heading.focus({ preventScroll: true });
  scrollTo(0, 0);
}

/** What the sections share: the lead's token, and how to go on from one to the next. */
const journey = {
  leadId,
  token: "",

  call(method, path, options = {}) {
    return call(method, path, { ...options, token: this.token });
  },

  /** Go to where the lead is, which only the service knows. */
  async resume() {
    const [tenant] = await this.call("GET", "tenants");
    if (tenant && tenant.status !== PENDING) return this.watch(tenant.id);
    return this.plan(tenant);
  },

  async plan(tenant, message) {
    await choosePlan(this, recall().planId, async (plan) => {
      remember({ planId: plan.id });
      if (tenant) await this.provision(tenant.id);
      else await setUpWorkspace(this, plan, show);
    }, message);
    show("plan");
  },

  /** Ask for the tenant's resources. A 409 says that it was asked before, which is as good; a plan may be gone. */
  async provision(tenantId) {
    try {
      await this.call("POST", `tenants/${tenantId}/provision`, { body: { planId: recall().planId } });
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if ([400, 422].includes(error.status)) return this.plan({ id: tenantId }, text("plan_gone"));
      if (error.status !== 409) throw error;
    }
    this.watch(tenantId);
  },

  watch(tenantId) {
    show("progress");
    watchProgress(this, tenantId);
  },

  /** The token has ended, or the link was used: only another mail helps. */
  expire() {
    forget();
    remember({ leadId });
    show("expired");
  },
};

const kept = recall();
if (kept.leadId !== leadId) forget();

// The key leaves the address at once, before anything is clicked: neither the history nor a reload shows it.
const given = new URLSearchParams(location.search).get("code");
if (given) {
  remember({ leadId, key: given });
  history.replaceState(null, "", location.pathname);
}
sections.flatMap((section) => [...section.querySelectorAll("[data-resend]")]).forEach((element) => offerResend(element, leadId));

/** Go on with the token of this tab; false where there is none, or it has ended. */
async function goOn() {
  journey.token = recall().token ?? "";
  if (!journey.token) return false;
  try {
    await journey.resume();
    return true;
  } catch (error) {
    if (error.status !== 401) throw error;
    remember({ token: undefined });
    return false;
  }
}

const confirm = document.querySelector("#confirm");
const button = confirm.querySelector("button");
const notice = confirm.querySelector(".notice");
button.addEventListener("click", () =>
  once(button, async () => {
    say(notice, "");
    try {
      if (await goOn()) return;
      journey.token = (await call("POST", `leads/${leadId}/verify`, { token: recall().key })).token;
      remember({ leadId, token: journey.token, key: undefined });
      await journey.resume();
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (error.status === 401) journey.expire();
      else say(notice, sorry(error));
    }
  }),
);

/** With a token of this tab go on at once; with a key wait for the click; with neither offer another mail. */
async function start() {
  try {
    if (!(await goOn()) && !recall().key) journey.expire();
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    say(notice, sorry(error));
  }
}

start();
