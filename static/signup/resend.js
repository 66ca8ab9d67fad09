// "Send it again", with the cool-down that the service keeps too.

import { Refused, call } from "./api.js";
import { once } from "./fields.js";
import { recall, remember } from "./session.js";
import { sorry, text } from "./texts.js";

/** Make the button in `element` send another mail to the lead. */
export function offerResend(element, leadId) {
  const button = element.querySelector("button");
  const status = element.querySelector("[role=status]");
  const cooldown = Number(element.dataset.cooldown);
  let timer = 0;

  function countDown(until, before = "") {
    clearInterval(timer);
    const left = () => Math.ceil((until - Date.now()) / 1000);
    const tick = () => {
      const waiting = left() > 0;
      button.toggleAttribute("disabled", waiting);
      status.textContent = waiting ? `${before} ${text("wait", { seconds: left() })}`.trim() : before;
      if (!waiting) clearInterval(timer);
    };
    timer = setInterval(tick, 1000);
    tick();
  }

  button.addEventListener("click", () =>
    once(button, async () => {
      try {
        await call("POST", `leads/${leadId}/resend`);
        remember({ sentAt: Date.now() });
        countDown(Date.now() + cooldown * 1000, text("resent"));
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        if (error.status === 429) countDown(Date.now() + error.retryAfter * 1000);
        else status.textContent = sorry(error);
      }
    }),
  );

  const sentAt = recall().sentAt ?? 0;
  if (sentAt + cooldown * 1000 > Date.now()) countDown(sentAt + cooldown * 1000);
}
