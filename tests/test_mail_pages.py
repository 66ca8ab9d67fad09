"""Every mail as Chromium shows it, in any width and mode."""

from datetime import date

import pytest
from playwright.sync_api import expect

from config.mail import compose
from tests.browser import DEVICES, assert_accessible, picture
from tests.processes import ROOT

pytestmark = pytest.mark.xdist_group("mail_pages")


LINK = "https://tenantry.example/signup/verify/7c1f3b52-9a41-4f3e-8a55-0d8f1f6f2a10?code=5049483bb76ce6b0e3d01484f65dcef3bd1f"
EVERYTHING = {
    "lead": {"first_name": "Ada", "company_name": "Analytical Engines Ltd"}, "contact": {"first_name": "Ada"},
    "tenant": {"name": "Analytical Engines Ltd", "key": "engines"}, "link": LINK, "minutes": 5, "unfinished": True,
    "invoice": {"number": "2026-000123", "seller": {"name": "Tenantry"}}, "total": "1,234.50 EUR",
    "note": {"number": "G-7", "reason": "Goodwill"}, "open_amount": "34.50 EUR",
    "due": date(2026, 11, 24), "day": date(2026, 11, 24),
    "subscription": {"plan": {"name": "Premium"}},
}  # fmt: skip
"""What any mail's templates may ask for."""
HOSTILE = {
    "long": "W" * 100,
    "markup": "<b>Evil</b><img src=x onerror=alert(1)>",
    "rtl": "\u202eevil\u202c \u05d0\u05d1\u05d2 GmbH & S\u00f6hne",
}
WIDE_LOGO = (
    "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' width='900' height='32'>"
    "<rect width='900' height='32' fill='%230f766e'/></svg>"
)
MAILS = sorted(path.name.partition(".")[0] for path in (ROOT / "templates" / "mail").glob("*.subject.txt"))


@pytest.mark.parametrize("language", ["en", "de"])
def test_every_mail_can_be_read_in_any_width_and_mode(visit, language):
    for device in DEVICES:
        page = visit(device)
        for name in MAILS:
            mail = compose(name, to="ada@engines.example", language=language, **EVERYTHING)
            page.set_content(mail.alternatives[0][0])
            picture(page, f"mail-{name}-{language}", device=device)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
            assert page.locator("h1").count() == 1, name
            if language == "en":  # the colours are the same in any
                assert_accessible(page)
            for shown in (page.inner_text("body"), mail.body):
                assert {"en": "Hello Ada,", "de": "Guten Tag Ada,"}[language] in shown, name


@pytest.mark.parametrize("kind", HOSTILE)
def test_every_mail_fits_a_phone_whatever_its_people_are_called(visit, settings, kind):
    name = settings.APP_NAME = HOSTILE[kind]
    people = {
        "lead": {"first_name": name, "company_name": name}, "contact": {"first_name": name},
        "tenant": {"name": name, "key": "k"}, "subscription": {"plan": {"name": name}},
        "note": {"number": name, "reason": name},
    }  # fmt: skip
    page = visit("phone")
    for mail in MAILS:
        page.set_content(compose(mail, to="ada@engines.example", **(EVERYTHING | people)).alternatives[0][0])
        picture(page, f"mail-{mail}-{kind}", device="phone")
        assert fits(page), mail
        page.evaluate("document.querySelector('style').remove()")  # as clients do that know no sheets
        assert fits(page), mail


def test_no_name_turns_what_stands_around_it(settings):
    settings.APP_NAME = "\u202eevil \u2067\u05d0\u05d1"
    for name in MAILS:
        mail = compose(name, to="ada@engines.example", **EVERYTHING)
        for text in (mail.subject, mail.body, mail.alternatives[0][0]):
            assert not set(text) & set("\u202e\u2067"), name
        assert "evil \u05d0\u05d1" in mail.body


def test_a_logo_is_not_wider_than_a_phone(visit, settings):
    settings.APP_LOGO_URL = settings.APP_LOGO_DARK_URL = WIDE_LOGO
    page = visit("phone")
    page.set_content(compose(MAILS[0], to="ada@engines.example", **EVERYTHING).alternatives[0][0])
    expect(page.locator("img:visible")).to_have_count(1)
    picture(page, "mail-logo", device="phone")
    assert fits(page)


def fits(page) -> bool:
    return page.evaluate("document.documentElement.scrollWidth <= screen.width")
