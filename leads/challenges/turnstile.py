"""Cloudflare Turnstile: https://developers.cloudflare.com/turnstile/get-started/server-side-validation/"""

from leads.challenges.base import Challenge

ORIGIN = "https://challenges.cloudflare.com"


class Turnstile(Challenge):
    script = f"{ORIGIN}/turnstile/v0/api.js"
    script_object = "turnstile"
    widget = "cf-turnstile"
    field = "cf-turnstile-response"
    verify_url = f"{ORIGIN}/turnstile/v0/siteverify"
    csp = {"script-src": ["'self'", ORIGIN], "frame-src": [ORIGIN]}
