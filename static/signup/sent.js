// /signup/sent: look into your inbox.

import { offerResend } from "./resend.js";
import { recall } from "./session.js";

const { leadId, email } = recall();
const resend = document.querySelector("[data-resend]");
if (email) document.querySelector("#email").textContent = email;
if (leadId) offerResend(resend, leadId);
else resend.hidden = true;
