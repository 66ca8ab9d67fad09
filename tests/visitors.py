"""Somebody who signs up in Chromium, and the service whose pages these are, with the development mailbox."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import requests
from playwright.sync_api import TimeoutError, expect

from identity.permissions import ALL_CODES
from identity.tokens import mint
from tests.browser import PATIENCE
from tests.world import served, wait_until

PLANS = (
    {"name": "Basic", "tier": "BASIC", "price": 0, "features": ["3 users", "Mail support"]},
    {"name": "Standard", "tier": "STANDARD", "price": 49, "trialDays": 14, "features": ["20 users", "Mail support"]},
    {"name": "Premium", "tier": "PREMIUM", "price": 199.5, "features": ["Own resources"], "description": "For many."},
)
QUICK = {"RESEND_COOLDOWN": "4", "FORM_MIN_SECONDS": "0", "DEMO_BUILD_SECONDS": "1", "WEB_THREADS": "8"}


def staff(method: str, address: str, body=None):
    token = mint(subject="0b9a1c3e-5d52-4c0a-9f0e-3f7f5a1c2d3e", permissions=ALL_CODES, lifetime=timedelta(minutes=5))
    answer = requests.request(method, address, json=body, headers={"Authorization": f"Bearer {token}"}, timeout=10)
    assert answer.ok, answer.text
    return answer.json() if answer.content else None


@contextmanager
def signing_up(var, **variables: str) -> Iterator[str]:
    """The address of a service with the demo provisioner and three plans, until the block ends."""
    with served(VAR_DIR=str(var), **QUICK, **variables) as url:
        for plan in PLANS:
            staff("POST", f"{url}/plans", {"currencyCode": "EUR", **plan})
        yield url


def fill_in(page, url: str, email: str, company: str = "Analytical Engines Ltd") -> None:
    page.goto(f"{url}/signup")
    for name, value in {"firstName": "Ada", "lastName": "Lovelace", "companyName": company, "email": email}.items():
        page.fill(f"#{name}", value)


def sign_up(page, url: str, email: str, company: str = "Analytical Engines Ltd") -> None:
    fill_in(page, url, email, company)
    page.click("button[type=submit]")
    page.wait_for_url("**/signup/sent")


def open_mail(page, url: str, *words: str) -> None:
    """The newest mail in the mailbox whose line holds all of `words`."""
    mail = page.locator(".mails a")
    for word in words:
        mail = mail.filter(has_text=word)
    wait_until(lambda: page.goto(f"{url}/dev/mail") and mail.count())
    mail.first.click()


def open_link(page, url: str, email: str, subject: str):
    """What opens when the button of the mail is clicked in the mailbox.

    The mail is a frame of its own process, and the browser drops a click that arrives before the frame was first drawn,
    however ready its document is. So the page is drawn first, and where still nothing opens the button clicked again.
    """
    open_mail(page, url, email, subject)
    button = page.frame_locator("iframe").locator(".button a")
    expect(button).to_be_visible()
    page.screenshot()
    try:
        with page.expect_popup(timeout=PATIENCE / 4) as opened:
            button.click()
    except TimeoutError:
        with page.expect_popup() as opened:
            button.click()
    opened.value.wait_for_load_state()
    return opened.value


def confirm(page) -> None:
    page.get_by_role("button", name="Confirm my address").click()
    expect(page.get_by_role("heading", name="Choose a plan")).to_be_visible()


def choose(page, plan: str) -> None:
    page.get_by_role("radio", name=plan).check()
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("heading", name="Set up your workspace")).to_be_visible()


def create(page) -> None:
    page.get_by_role("button", name="Create my workspace").click()
    expect(page.get_by_role("heading", name="Your workspace is ready")).to_be_visible()
