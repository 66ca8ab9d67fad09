"""Every mail as Chromium shows it, in any width and mode."""

from datetime import date

import pytest

from config.mail import compose
from tests.browser import DEVICES, assert_accessible, picture
from tests.processes import ROOT

pytestmark = pytest.mark.xdist_group("browser")


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
