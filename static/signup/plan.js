// The plan: what the service has for self-service, the cheapest first.

import { Refused, call } from "./api.js";
import { once } from "./fields.js";
import { sorry, text } from "./texts.js";

const section = document.querySelector("#plan");
const form = section.querySelector("form");
const list = section.querySelector(".plans");
const error = section.querySelector("#plan-error");

function price(plan) {
  if (!plan.price) return [text("free"), ""];
  const format = { style: "currency", currency: plan.currencyCode, trailingZeroDisplay: "stripIfInteger" };
  return [new Intl.NumberFormat(document.documentElement.lang, format).format(plan.price), text(plan.billingCycle)];
}

function card(plan, chosen) {
  const element = section.querySelector("template").content.firstElementChild.cloneNode(true);
  const [amount, cycle] = price(plan);
  const unit = document.createElement("small");
  unit.textContent = cycle;
  element.querySelector("input").value = plan.id;
  element.querySelector("input").checked = plan.id === chosen;
  element.querySelector(".name").textContent = plan.name;
  element.querySelector(".price").append(`${amount} `, unit);
  element.querySelector(".description").textContent = plan.description ?? "";
  if (plan.trialDays) {
    element.querySelector(".trial").textContent = text("trial", { days: plan.trialDays });
    element.querySelector(".trial").hidden = false;
  }
  const features = (Array.isArray(plan.features) ? plan.features : []).filter((feature) => typeof feature === "string");
  element.querySelector("ul").append(
    ...features.map((feature) => Object.assign(document.createElement("li"), { textContent: feature })),
  );
  return element;
}

/** Offer the plans; `next(plan)` goes on with the one that was chosen. */
export async function choosePlan(journey, chosen, next, message = "") {
  const plans = await call("GET", "plans");
  list.replaceChildren(...plans.map((plan) => card(plan, plans.length === 1 ? plan.id : chosen)));
  section.querySelector(".notice").hidden = plans.length > 0;
  form.querySelector("[type=submit]").hidden = !plans.length;
  error.textContent = message;
  form.onsubmit = (event) => {
    event.preventDefault();
    const plan = plans.find(({ id }) => id === new FormData(form).get("plan"));
    error.textContent = plan ? "" : text("choose");
    if (!plan) return list.querySelector("input")?.focus();
    return once(form.querySelector("[type=submit]"), async () => {
      try {
        await next(plan);
      } catch (refused) {
        if (!(refused instanceof Refused)) throw refused;
        if (refused.status === 401) journey.expire();
        else error.textContent = sorry(refused);
      }
    });
  };
}
