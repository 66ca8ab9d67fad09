"""hCaptcha: https://docs.hcaptcha.com/#verify-the-user-response-server-side"""

from leads.challenges.base import Challenge

ORIGINS = ["https://hcaptcha.com", "https://*.hcaptcha.com"]


class HCaptcha(Challenge):
    script = "https://js.hcaptcha.com/1/api.js"
    script_object = "hcaptcha"
    widget = "h-captcha"
    field = "h-captcha-response"
    verify_url = "https://api.hcaptcha.com/siteverify"
    csp = {name: ["'self'", *ORIGINS] for name in ("script-src", "frame-src", "style-src", "connect-src")}
