// Fields and their errors; buttons that are at work.

import { Refused } from "./api.js";
import { has, sorry, text } from "./texts.js";

/** Show `message` beside `input`, or take it away. */
export function mark(input, message = "") {
  document.getElementById(`${input.name}-error`).textContent = message;
  if (message) input.setAttribute("aria-invalid", "true");
  else input.removeAttribute("aria-invalid");
}

function fault(input) {
  if (input.required && !input.value.trim()) return text("required");
  if (input.validity.typeMismatch) return text("format");
  return "";
}

/** Judge a field when it is left, and while one mends it. */
export function watch(input) {
  input.addEventListener("blur", () => input.value && mark(input, fault(input)));
  input.addEventListener("input", () => input.hasAttribute("aria-invalid") && mark(input, fault(input)));
}

/** Whether all `inputs` are right; the first that is not gets the focus. */
export function check(inputs) {
  inputs.forEach((input) => mark(input, fault(input)));
  const wrong = inputs.find((input) => input.hasAttribute("aria-invalid"));
  wrong?.focus();
  return !wrong;
}

/** Show what the service found wrong: beside the fields that it names, else in `notice`. */
export function explain(refused, inputs, notice) {
  if (!(refused instanceof Refused)) throw refused;
  const named = refused.details
    .map((detail) => [inputs.find((input) => `/${input.name}` === detail.path), detail])
    .filter(([input]) => input);
  for (const [input, detail] of named) {
    const known = detail.code === "invalid" && input.type === "email" ? "format" : detail.code;
    mark(input, has(known) ? text(known) : text("invalid"));
  }
  if (named.length) named[0][0].focus();
  else say(notice, sorry(refused));
}

export function say(notice, message) {
  notice.textContent = message;
  notice.hidden = !message;
}

/** Run `work` unless the button is at work already. */
export async function once(button, work) {
  if (button.getAttribute("aria-disabled") === "true") return;
  button.setAttribute("aria-disabled", "true");
  try {
    await work();
  } finally {
    button.removeAttribute("aria-disabled");
  }
}
