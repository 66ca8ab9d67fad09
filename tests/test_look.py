"""Branding, languages, the policies of pages, other origins, and the development mailbox."""

import ast
import re
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import polib
import pytest
from django.core.mail import EmailMultiAlternatives
from django.utils.translation.template import templatize

from config import branding, mailbox
from config.mail import compose
from leads.models import Lead
from tests.conftest import at_once
from tests.make import make_contact, make_tenant, sign_up_body
from tests.test_house import ROOMS
from tests.world import manage

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).resolve().parent.parent
PAGES = ("/", "/signup", "/signup/sent", "/signup/verify/7c1f3b52-9a41-4f3e-8a55-0d8f1f6f2a10", "/dev/mail")
BRAND = {
    "APP_NAME": "Tom & <Jerry>", "APP_LOGO_URL": "https://cdn.acme.example/logo.svg", "APP_COLOR": "#ffd54a",
    "TERMS_URL": "https://acme.example/terms", "PRIVACY_URL": "https://acme.example/privacy",
    "SUPPORT_EMAIL": "help@acme.example",
}  # fmt: skip


class TestTheBrand:
    @pytest.fixture(autouse=True)
    def brand(self, settings):
        for name, value in BRAND.items():
            setattr(settings, name, value)

    def test_is_on_every_page(self, anyone):
        for path in PAGES[:-1]:
            page = anyone.get(path).content.decode()
            assert 'src="https://cdn.acme.example/logo.svg" alt="Tom &amp; &lt;Jerry&gt;"' in page
            for part in ("https://acme.example/terms", "https://acme.example/privacy", "mailto:help@acme.example"):
                assert part in page, path
        assert "--accent: #ffd54a; --on-accent: #000000" in anyone.get("/brand.css").content.decode()

    def test_is_in_the_mails_as_text_and_html(self):
        tenant = make_tenant()
        mail = compose(
            "tenant_welcome", to="a@acme.example", contact=make_contact(tenant), tenant=tenant, link="https://x"
        )
        html = mail.alternatives[0][0]
        assert "Tom & <Jerry>" in mail.body
        assert "Tom &amp; &lt;Jerry&gt;" in html
        assert "<Jerry>" not in html
        for part in ("https://acme.example/terms", "https://acme.example/privacy", "help@acme.example"):
            assert part in mail.body
            assert part in html

    @pytest.mark.parametrize("color", ["#ffffff", "#000000", "#0f766e", "#ffd54a", "#ff0000", "#808080", "#18242a"])
    def test_can_be_read_whatever_its_colour(self, settings, color):
        settings.APP_COLOR = color
        brand = branding.brand()
        for scheme, paper in ((brand.light, branding.LIGHT_PAPER), (brand.dark, branding.DARK_PAPER)):
            assert branding.contrast(scheme.text, paper) >= 4.5
            assert branding.contrast(scheme.on_fill, scheme.fill) >= 4.5

    def test_contrast_is_that_of_wcag(self):
        assert branding.contrast("#000000", "#ffffff") == pytest.approx(21)
        assert branding.contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("APP_COLOR", "teal"),
        ("APP_LOGO_URL", "logo.svg"),
        ("CORS_ALLOWED_ORIGINS", "https://a.example/path"),
        ("CORS_ALLOWED_ORIGINS", "*"),
        ("CHALLENGE_PROVIDER", "doorman"),
        ("SIGNUP_PAGES", "maybe"),
    ],
)
def test_a_setting_that_makes_no_sense_is_named(name, value, tmp_path):
    found = manage("check", VAR_DIR=str(tmp_path), **{name: value})
    assert found.returncode != 0
    assert name in found.stderr.splitlines()[-1]


class TestPolicies:
    @pytest.mark.parametrize("path", [*PAGES, "/nowhere"])
    def test_allow_nothing_inline_nor_from_elsewhere(self, anyone, path):
        page = anyone.get(path)
        policy = page.headers["Content-Security-Policy"]
        assert "unsafe" not in policy
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        for forbidden in (b"<style", b" style=", b" onclick=", b"javascript:"):
            assert forbidden not in page.content
        assert not re.search(rb"<script(?![^>]*\bsrc=)", page.content)

    @pytest.mark.parametrize("path", ["/admin/login/", "/admin/", "/admin/tenants/tenant/", "/admin/leads/lead/add/"])
    def test_let_the_admins_scripts_evaluate_and_nothing_else(self, admin_client, path):
        page = admin_client.get(path, follow=True)
        policy = page.headers["Content-Security-Policy"]
        loosened = dict(re.findall(r"([\w-]+) ([^;]*unsafe[^;]*)", policy))
        assert loosened == {"script-src": "'self' 'unsafe-eval'", "style-src-attr": "'unsafe-inline'"}
        assert "default-src 'self'" in policy
        assert "http" not in policy
        for forbidden in (b"<style", b" style=", b" onclick=", b"javascript:"):
            assert forbidden not in page.content
        assert not re.search(rb"<script(?![^>]*\b(src=|application/json))", page.content)

    @pytest.mark.parametrize("path", ["/ping", "/tenants", "/leads/x"])
    def test_let_data_load_and_frame_nothing(self, anyone, path):
        assert anyone.get(path).headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"

    def test_are_loosened_for_styles_alone_where_the_apis_pages_need_it(self, anyone):
        for path in ("/explorer", "/redoc"):
            policy = anyone.get(path).headers["Content-Security-Policy"]
            assert re.findall(r"([\w-]+) [^;]*unsafe", policy) == ["style-src"]

    def test_send_the_key_to_nobody(self, anyone):
        page = anyone.get(PAGES[3], code="0123456789abcdef")
        assert page.headers["Referrer-Policy"] == "no-referrer"
        assert "no-store" in page.headers["Cache-Control"]
        assert b"0123456789abcdef" not in page.content

    def test_let_the_listed_origins_in_and_no_other(self, anyone, settings):
        settings.CORS_ALLOWED_ORIGINS = ["https://app.acme.example"]

        def allowed(origin: str):
            return anyone.request("OPTIONS", "/leads", Origin=origin, **{"Access-Control-Request-Method": "POST"})

        answer = allowed("https://app.acme.example")
        assert answer.headers["Access-Control-Allow-Origin"] == "https://app.acme.example"
        assert "idempotency-key" in answer.headers["Access-Control-Allow-Headers"]
        assert "Access-Control-Allow-Credentials" not in answer.headers
        assert "Access-Control-Allow-Origin" not in allowed("https://evil.example").headers
        answer = anyone.post("/leads", {}, Origin="https://app.acme.example")
        assert "Retry-After" in answer.headers["Access-Control-Expose-Headers"]


def test_the_pages_can_be_switched_off(anyone, settings):
    settings.SIGNUP_PAGES = False
    assert [anyone.get(path).status_code for path in PAGES[1:4]] == [404, 404, 404]
    assert b"/signup" not in anyone.get("/").content
    assert anyone.post("/leads", sign_up_body()).status_code == 200


def test_a_link_that_leads_nowhere_is_warned_of(tmp_path):
    found = manage("check", VAR_DIR=str(tmp_path), SIGNUP_PAGES="false")
    assert "tenantry.W006" in found.stderr
    found = manage("check", VAR_DIR=str(tmp_path), SIGNUP_PAGES="false", APP_VALIDATE_URL="https://app.example/verify")
    assert "tenantry.W006" not in found.stderr


def marked(path: Path) -> Iterator[tuple[str, str]]:
    """The texts that a module marks for translation."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("_", "ngettext"):
            texts = [argument.value for argument in node.args[:2] if isinstance(argument, ast.Constant)]
            yield texts[0], texts[1] if node.func.id == "ngettext" else ""


class TestLanguages:
    catalogue = ROOT / "locale" / "de" / "LC_MESSAGES" / "django.po"

    def test_hold_every_text_and_nothing_else(self):
        known = {(entry.msgid, entry.msgid_plural) for entry in polib.pofile(self.catalogue)}
        used = {text for room in ROOMS for path in (ROOT / room).rglob("*.py") for text in marked(path)}
        for path in (ROOT / "templates").rglob("*"):
            if path.is_file():
                source = templatize(path.read_text(), origin=str(path))
                quoted = r"""u?(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")"""
                for one in re.finditer(rf"\bn?gettext\({quoted}(?:,\s*{quoted})?|(?<!\w)_\({quoted}\)", source):
                    texts = [text.replace("\\'", "'") for text in one.groups() if text is not None]
                    used.add((texts[0], texts[1] if len(texts) > 1 else ""))
        assert used == known

    def test_are_complete_and_compiled(self):
        source, compiled = polib.pofile(self.catalogue), polib.mofile(self.catalogue.with_suffix(".mo"))
        assert source.percent_translated() == 100
        assert not [entry for entry in source if entry.fuzzy or entry.obsolete]

        def texts(entries):
            return {entry.msgid: (entry.msgstr, tuple(entry.msgstr_plural.values())) for entry in entries}

        assert texts(source) == texts(compiled)
        for entry in source:  # a placeholder that a translation forgets would be a hole in a sentence
            pairs = zip((entry.msgid, entry.msgid_plural), entry.msgstr_plural.values(), strict=False)
            for text, translated in pairs if entry.msgid_plural else [(entry.msgid, entry.msgstr)]:
                assert placeholders(translated) == placeholders(text), text

    @pytest.mark.parametrize("path", PAGES)
    def test_are_those_of_every_text_of_a_page(self, anyone, path):
        english, german = (said(anyone.request("GET", path, **{"Accept-Language": code})) for code in ("en", "de"))
        assert len(english) > 3
        assert english & german <= ALIKE

    def test_are_chosen_by_the_browser_and_remembered_when_chosen_by_hand(self, anyone):
        page = anyone.client.get("/signup", headers={"Accept-Language": "de-CH, fr;q=0.5"})
        assert (page.headers["Content-Language"], b"Vorname" in page.content) == ("de", True)
        assert "Accept-Language" in page.headers["Vary"]
        anyone.client.get("/signup?lang=en", headers={"Accept-Language": "de"})
        assert b"First name" in anyone.client.get("/signup", headers={"Accept-Language": "de"}).content
        assert b"First name" in anyone.client.get("/signup?lang=xx").content

    def test_of_a_lead_is_that_of_its_mails_and_the_api_stays_english(self, anyone, relayed, mailoutbox):
        answer = anyone.post("/leads", sign_up_body(), **{"Accept-Language": "de"})
        lead = Lead.objects.get(id=answer.json()["id"])
        assert lead.language == "de"
        relayed()
        assert mailoutbox[0].subject == "Bestätigen Sie Ihre E-Mail-Adresse für Tenantry"
        assert '<html lang="de">' in mailoutbox[0].alternatives[0][0]
        error = anyone.post("/leads", {}, **{"Accept-Language": "de"}).json()["error"]
        assert error["details"][0]["message"] == "This field is required."


ALIKE = {"Tenantry", "T", "English", "Deutsch", "openapi.json", "Fax", "E-Mail"}
"""What a page says alike in both languages."""


def said(page) -> set[str]:
    """The texts of a page, but for those of its code, in the language that it says it is in."""
    source = page.content.decode()
    assert f'<html lang="{page.headers["Content-Language"]}">' in source
    return {text.strip() for text in re.split(r"<code>[^<]*</code>|<[^>]*>", source) if text.strip()}


def placeholders(text: str) -> list[str]:
    return sorted(re.findall(r"%(?:\(\w+\))?[sd]|\{\w+\}", text))


def test_a_template_can_be_overridden(settings, tmp_path, anyone):
    (tmp_path / "signup").mkdir()
    (tmp_path / "signup" / "sent.html").write_text("mine")
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path, *settings.TEMPLATES[0]["DIRS"]]}]
    assert anyone.get("/signup/sent").content == b"mine"


class TestTheMailbox:
    @pytest.fixture(autouse=True)
    def folder(self, settings, tmp_path):
        settings.VAR_DIR, settings.EMAIL_FILE_PATH = tmp_path, tmp_path / "mail"
        settings.EMAIL_BACKEND = "config.mailbox.MailboxBackend"
        return tmp_path / "mail"

    def send(self, subject: str = "Hello", **attached: bytes) -> None:
        mail = EmailMultiAlternatives(subject, "Text <b>as it is</b>", "a@x.example", ["b@x.example"])
        mail.attach_alternative("<html><head></head><body><script>alert(1)</script>Bold</body></html>", "text/html")
        for name, content in attached.items():
            mail.attach(f"{name}.pdf", content, "application/pdf")
        mail.send()

    def ids(self, folder) -> list[str]:
        return sorted(path.stem for path in folder.glob("*.eml"))

    def test_is_empty_at_first(self, anyone):
        assert b"Nothing yet" in anyone.get("/dev/mail").content

    def test_lists_the_newest_first_and_shows_each(self, anyone, folder):
        self.send("First")
        self.send("Grüße & <second>", invoice=b"%PDF-1")
        page = anyone.get("/dev/mail").content.decode()
        assert page.index("Grüße &amp; &lt;second&gt;") < page.index("First")
        id = self.ids(folder)[-1]
        page = anyone.get(f"/dev/mail/{id}").content.decode()
        assert "Text &lt;b&gt;as it is&lt;/b&gt;" in page
        assert re.search(rf'<iframe [^>]*src="/dev/mail/{id}/html" sandbox="(?!.*allow-(scripts|same-origin))', page)
        assert "invoice.pdf" in page

    def test_says_when_a_mail_was_sent_and_all_else_as_its_reader_writes_it(self, anyone, folder):
        folder.mkdir()
        odd = EmailMessage()
        odd["Subject"], odd["Date"], odd["To"] = "Hello", "Tue, 24 Nov 2026 11:00:00 +0100", "ada@acme.example"
        (folder / "00000000000000000001-00000000.eml").write_bytes(odd.as_bytes())
        german = {"Accept-Language": "de"}
        [listed, shown] = [
            anyone.request("GET", f"/dev/mail{path}", **german).content.decode()
            for path in ("", "/00000000000000000001-00000000")
        ]
        assert not [word for word in ("Postfach", "24.11.2026 10:00:00") if word not in listed]
        assert not [word for word in ("Empfänger", "24.11.2026 10:00:00") if word not in shown]

    def test_shows_html_where_nothing_runs(self, anyone, folder):
        self.send()
        answer = anyone.get(f"/dev/mail/{self.ids(folder)[0]}/html")
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert re.search(r"sandbox (?!.*allow-(scripts|same-origin))", policy)
        assert "script-src" not in policy
        assert answer.headers["X-Frame-Options"] == "SAMEORIGIN"

    def test_hands_attachments_out_to_save(self, anyone, folder):
        self.send(invoice=b"%PDF-1")
        path = f"/dev/mail/{self.ids(folder)[0]}/attachments"
        answer = anyone.get(f"{path}/1")
        assert b"".join(answer.streaming_content) == b"%PDF-1"
        assert answer.headers["Content-Disposition"] == 'attachment; filename="invoice.pdf"'
        assert answer.headers["Content-Type"] == "application/octet-stream"
        assert [anyone.get(f"{path}/{number}").status_code for number in (0, 2, 99)] == [404, 404, 404]

    @pytest.mark.parametrize("id", ["..%2f..%2fsecret", "nothing", "00000000000000000001-00000000", "*"])
    def test_has_nothing_but_mails(self, anyone, id):
        for part in ("", "/html", "/attachments/1"):
            assert anyone.get(f"/dev/mail/{id}{part}").status_code == 404

    def test_takes_mails_of_many_at_once_and_keeps_the_newest(self, folder, monkeypatch):
        monkeypatch.setattr(mailbox, "KEPT", 12)
        at_once(8, lambda number: [self.send(f"{number}.{each}") for each in range(4)])
        assert len(self.ids(folder)) == 12
        assert all(mailbox.Mail(path).headers["Subject"] for path in folder.glob("*.eml"))
        assert list(folder.parent.glob("draft-*")) == []

    def test_keeps_an_odd_mail_readable(self, anyone, folder):
        folder.mkdir()
        odd = EmailMessage()
        odd["Subject"], odd["Date"] = "odd", "Tue, 24 Nov 2026 10:00:00 +0000"
        (folder / "00000000000000000001-00000000.eml").write_bytes(odd.as_bytes())
        assert anyone.get("/dev/mail/00000000000000000001-00000000").status_code == 200


@pytest.mark.parametrize("variables", [{"EMAIL_URL": "smtp://localhost:25"}, {"NODE_ENV": "prod"}], ids=str)
def test_there_is_no_mailbox_where_mails_leave(variables, tmp_path):
    code = (
        "from django.urls import resolve, Resolver404\n"
        "try: resolve('/dev/mail'); print('there')\nexcept Resolver404: print('none')"
    )
    production = {
        "DJANGO_SECRET_KEY": "x" * 60, "JWT_SECRET": "y" * 50, "EVENT_CONNECTOR": "log",
        "ENCRYPTION_KEYS": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=", "EMAIL_URL": "console://",
    }  # fmt: skip
    found = manage("shell", "-v0", "-c", code, VAR_DIR=str(tmp_path), **{**production, **variables})
    assert found.stdout.strip() == "none", found.stderr
