// /signup: the lead form.

import { call } from "./api.js";
import { check, explain, once, say, watch } from "./fields.js";
import { forget, remember } from "./session.js";

const form = document.querySelector("#sign-up");
const button = form.querySelector("[type=submit]");
const notice = form.querySelector(".notice");
const inputs = ["firstName", "lastName", "companyName", "email"].map((name) => form.elements[name]);
const opened = performance.now();
inputs.forEach(watch);

function headers() {
  const result = { "X-Form-Stamp": form.dataset.stamp };
  if (form.elements.fax.value) result["X-Form-Trap"] = "filled";
  if (form.dataset.challenge) result["X-Challenge-Response"] = new FormData(form).get(form.dataset.challenge) ?? "";
  return result;
}

/** The service believes nobody who is faster; who fills by a click waits here instead of being told so. */
function patience() {
  const minimum = Number(form.dataset.minimum);
  const rest = minimum && (minimum + 1) * 1000 - (performance.now() - opened);
  return new Promise((done) => setTimeout(done, Math.max(0, rest)));
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  once(button, async () => {
    say(notice, "");
    if (!check(inputs)) return;
    const body = Object.fromEntries(inputs.map((input) => [input.name, input.value.trim()]));
    try {
      await patience();
      const { id } = await call("POST", "leads", { body, headers: headers() });
      forget();
      remember({ leadId: id, email: body.email, sentAt: Date.now() });
      location.assign(form.dataset.next);
    } catch (error) {
      explain(error, inputs, notice);
      window[form.dataset.challengeObject]?.reset(); // its answer was for this attempt alone
    }
  });
});
