"""The PDFs: what they say, that they are made once, where they are kept, and how they are mailed."""

import io
import re
import subprocess
import sys
import time
import uuid
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import pairwise

import boto3
import pytest
import requests
from django.core.checks import run_checks
from django.core.files.storage import default_storage
from django.db import transaction
from django.urls import reverse
from pypdf import PdfReader
from reportlab.pdfbase import pdfmetrics

from billing import documents
from billing.documents import file_of
from billing.models import Invoice
from billing.periods import ONE_DAY, midnight
from billing.totals import Line
from leads.models import Lead
from tenants.models import Branding, TenantStatus
from tests.conftest import at_once, generate
from tests.make import make_address, make_contact, make_invoice, make_lead, make_plan, make_tenant
from tests.servers import free_port
from tests.test_invoices import body as invoice_body
from tests.world import manage, wait_until

pytestmark = pytest.mark.django_db
SIGNS = "₹ ₺ ₽ ₴ ₿ zł € £ ¥ ₩ ₪ ₫ ₦ ₱ ₡ ₲ ₵ ₸ ₼ ₾ ฿ ৳ ៛ ؋ ֏"


def text_of(content: bytes) -> tuple[str, int]:
    pages = PdfReader(io.BytesIO(content)).pages
    return "\n".join(page.extract_text() for page in pages), len(pages)


def squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)


def grouped(number: float) -> str:
    """As it is written in English, with two decimals and as many more as it has."""
    whole, _, rest = f"{number:,.4f}".rstrip("0").partition(".")
    return f"{whole}.{rest:0<2}"


def holds(text: str, number: str) -> bool:
    """Whether `number` stands in `text` as a whole number, not within another."""
    return re.search(rf"(?<![\d.,]){re.escape(number)}(?![.,]?\d)", text) is not None


@pytest.mark.parametrize("count", [1, 60])
def test_the_text_holds_every_number_that_the_api_gives(staff, count, settings):
    settings.SELLER_NAME, settings.SELLER_TAX_ID = "Sellers & Söhne", "DE123456789"
    settings.SELLER_ADDRESS, settings.INVOICE_TERMS = "Am Markt 1\n20095 Hamburg", "Two per cent less within a week"
    lines = [
        Line(f"Position {n}", Decimal("1234.567") / (n + 1) // Decimal("0.001") * Decimal("0.001"), Decimal(n + 1),
             Decimal(n % 3 * 5), Decimal([0, 7, 19][n % 3]))
        for n in range(count)
    ]  # fmt: skip
    tenant = make_tenant(name="Źródłowska Ελλάς Жизнь", address=make_address(city="Gdańsk"))
    invoice = make_invoice(tenant, lines=lines)
    found = staff.get(f"/invoices/{invoice.id}").json()
    answer = staff.get(f"/invoices/{invoice.id}/download")
    assert answer["Content-Type"] == "application/pdf"
    assert answer["Content-Disposition"] == f'attachment; filename="{found["number"]}.pdf"'
    text, pages = text_of(answer.content)
    assert pages == (1 if count == 1 else 3)
    for page in range(1, pages + 1):
        assert f"Page {page} of {pages}" in text
    for each in found["lines"]:
        (line,) = re.findall(rf"^{each['description']}\n(?:.+\n){{4,5}}", text, re.MULTILINE)
        numbers = [f"{each['quantity']:g}", grouped(each["unitPrice"]), f"{each['taxRate']:g} %"]
        numbers += [f"{each['amount']:,.2f}", *([f"{each['discountPercent']:g} %"] if count > 1 else [])]
        assert [number for number in numbers if not holds(line, number)] == []
    for tax in found["taxes"]:
        assert f"Tax {tax['rate']:g} % on {tax['net']:,.2f}" in text
        assert holds(text, f"{tax['tax']:,.2f}")
    for amount in (found["subtotal"], found["amount"], *([found["taxTotal"]] if count > 1 else [])):
        assert holds(text, f"{amount:,.2f}")
    for word in (
        found["number"], found["dueDate"][:10], "EUR", "Źródłowska Ελλάς Жизнь", "Gdańsk", "Sellers & Söhne",
        "20095 Hamburg", "DE123456789", "Two per cent less within a week",
    ):  # fmt: skip
        assert word in text


def test_a_credit_note_says_why(staff):
    path = f"/invoices/{make_invoice().id}/credit-notes"
    note = staff.post(path, {"amount": 20, "reason": "The service was away"}).json()
    text, _ = text_of(staff.get(f"/credit-notes/{note['id']}/download").content)
    assert "The service was away" in text


def test_no_number_is_drawn_over_another(staff):
    invoice = make_invoice(lines=[
        Line("Requests beyond those that are included", Decimal("0.0042"), Decimal("99999999.9999"), Decimal(5)),
        Line("The dearest plan there is", Decimal(10_000_000_000), tax_rate=Decimal("19.125")),
    ])  # fmt: skip
    drawn: dict[int, list[tuple[float, float]]] = {}

    def visit(text, table, cell, font, size):
        if text.strip():
            begin, line = table[4] + cell[4], round(table[5] + cell[5])
            width = pdfmetrics.stringWidth(text.strip(), "NotoSans-Regular", size)
            drawn.setdefault(line, []).append((begin, begin + width))

    content = staff.get(f"/invoices/{invoice.id}/download").content
    PdfReader(io.BytesIO(content)).pages[0].extract_text(visitor_text=visit)
    rows = [sorted(row) for row in drawn.values() if len(row) > 3]
    assert len(rows) == 3  # the heads and the lines
    assert all(end < begin for row in rows for (_, end), (begin, _) in pairwise(row))


def test_what_is_paid_already_is_not_asked_for(staff):
    tenant = make_tenant()
    for status, asked in (("PENDING", True), ("PAID", False)):
        id = staff.post("/invoices", invoice_body(tenant, status=status)).json()["id"]
        text, _ = text_of(staff.get(f"/invoices/{id}/download").content)
        assert ("Please pay" in text) is asked


class TestTheLanguage:
    """Of a document is that of its tenant when it was issued."""

    @pytest.fixture
    def tenant(self, clock):
        clock(date(2026, 1, 31))
        return make_tenant(lead=make_lead(language="de"), status=TenantStatus.ACTIVE)

    def subscribed(self, staff, tenant, price: str, **values) -> str:
        body = {"tenantId": str(tenant.id), "planId": str(make_plan(price=Decimal(price)).id), **values}
        return staff.post("/subscriptions", body).json()["id"]

    def test_is_that_of_labels_numbers_and_days(self, staff, tenant):
        self.subscribed(staff, tenant, "1234.50", taxRate=7.5)
        (invoice,) = staff.get("/invoices").json()
        note = staff.post(f"/invoices/{invoice['id']}/credit-notes", {"amount": 1000}).json()
        Lead.objects.update(language="en")
        assert (invoice["buyer"]["language"], note["buyer"]["language"]) == ("de", "de")
        for path, words in {
            f"/invoices/{invoice['id']}/download": (
                "Rechnung", "Fällig", "31.01.2026 bis 27.02.2026", "Standard, 31.01.2026 bis 27.02.2026", "1.234,50",
                "Steuer 7,5 % auf 1.234,50", "92,59", "1.327,09 EUR", "bis zum 14.02.2026", "Seite 1 von 1",
            ),
            f"/credit-notes/{note['id']}/download": (
                "Rechnungskorrektur", f"Korrektur der Rechnung {invoice['number']}", "vom", "31.01.2026",
                "1.000,00 EUR",
            ),
        }.items():  # fmt: skip
            text, _ = text_of(staff.get(path).content)
            assert not [word for word in words if word not in text]
            assert not re.search("Invoice|Credit|Due|Date|Tax|Total|Page|From|Please", text)

    @pytest.mark.parametrize("kept", ["Deutsch", "de_DE.UTF8", "fr"])
    def test_is_wholly_the_services_own_where_it_is_none_of_ours(self, kept):
        text, _ = text_of(file_of(make_invoice(make_tenant(lead=make_lead(language=kept)))))
        assert "Invoice" in text
        assert "120.50 EUR" in text

    def test_is_that_of_the_amounts_and_days_of_its_mail_too(self, staff, tenant, monkeypatch, relayed, mailoutbox):
        make_contact(tenant)
        staff.post("/invoices", invoice_body(tenant, amount=1120.5, dueDate="2026-02-14T00:00:00Z"))
        monkeypatch.undo()  # the outbox goes by the time of now
        relayed()
        (mail,) = mailoutbox
        assert mail.subject.endswith(": 1.120,50 EUR")
        assert "Bitte zahlen Sie 1.120,50 EUR bis zum 14.02.2026" in mail.body

    def test_is_that_of_the_lines_that_we_write(self, staff, tenant, clock):
        path = f"/subscriptions/{self.subscribed(staff, tenant, '49')}/change-plan"
        clock(date(2026, 2, 14))
        for price in ("99", "9"):
            staff.post(path, {"planId": str(make_plan(price=Decimal(price)).id), "at": "now"})
        generate(date(2026, 2, 28))
        staff.post("/invoices", invoice_body(tenant, amount=1))
        rest = "14.02.2026 bis 27.02.2026"
        assert [line["description"] for each in staff.get("/invoices").json() for line in each["lines"]] == [
            "Standard, 31.01.2026 bis 27.02.2026", f"Standard, {rest}", f"Ungenutzte Zeit, {rest}",
            "Standard, 28.02.2026 bis 30.03.2026", "Guthaben für ungenutzte Zeit", "Leistungen",
        ]  # fmt: skip

    def test_is_not_that_of_who_downloads_it(self, office):
        invoice = make_invoice()
        url = reverse("admin:billing_invoice_download", args=[invoice.pk])
        answer = office.post(url, headers={"Accept-Language": "de"})
        text, _ = text_of(answer.content)
        assert "Page 1 of 1" in text
        assert "120.50" in text


def test_what_people_write_is_text(staff):
    name = "<b>Bold</b> & <a href='x'>Co</a> &lt;"
    invoice = make_invoice(
        make_tenant(name=name), lines=[Line("<para><font size=90>Big</font> " + "x" * 200, Decimal(1))]
    )
    text, _ = text_of(staff.get(f"/invoices/{invoice.id}/download").content)
    assert squeezed(name) in squeezed(text)
    assert "<para><font size=90>Big</font>" in text


def test_every_currency_sign_is_there(staff):
    invoice = make_invoice(lines=[Line(SIGNS, Decimal(1))])
    content = staff.get(f"/invoices/{invoice.id}/download").content
    assert squeezed(SIGNS) in squeezed(text_of(content)[0])


@pytest.mark.parametrize(("written", "drawn"), [("A￥B＄", "A¥B$"), ("A⃀B", "A\ufffdB"), ("田A\tB", "\ufffdA B")])
def test_what_no_font_has_is_another_form_of_it_or_seen_to_be_missing(staff, written, drawn):
    invoice = make_invoice(lines=[Line(written, Decimal(1))])
    assert drawn in text_of(staff.get(f"/invoices/{invoice.id}/download").content)[0]


@pytest.mark.parametrize("letter", ["W", "WW\n", "a\n", "\n"])
def test_text_of_any_length_fits(staff, lead, tenant, letter):
    tall = (letter * 500)[:498] + "ßω"
    party = {"tenantId": str(tenant.id), "name": "W" * 200, "address": tall, "taxId": "W" * 50}
    assert lead.post("/billing-customers", party).status_code == 200
    lines = [{"description": tall, "unitPrice": 1, "taxRate": n / 8, "discountPercent": 5} for n in range(20)]
    invoice = staff.post("/invoices", invoice_body(tenant, lines=lines)).json()
    answer = staff.get(f"/invoices/{invoice['id']}/download")
    assert answer.status_code == 200
    assert squeezed(text_of(answer.content)[0]).count("ßω") == 21


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York"])
def test_dates_at_the_ends_of_the_calendar_are_shown(staff, office, settings, zone):
    settings.BILLING_TIME_ZONE = zone
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    for dates in ({"start_date": first, "end_date": first}, {"start_date": first, "end_date": last, "due_date": last}):
        invoice = make_invoice(**dates)
        text, _ = text_of(staff.get(f"/invoices/{invoice.id}/download").content)
        assert re.search(r"0001-01-01 to (0001-01-01|9999-12-\d\d)", text)
    assert office.get(reverse("admin:billing_invoice_changelist")).status_code == 200


def test_the_last_day_of_a_period_is_shown_also_where_clocks_change_on_it(staff, settings):
    settings.BILLING_TIME_ZONE = "Europe/Berlin"
    for last, first in ((date(2026, 3, 29), date(2026, 3, 1)), (date(2026, 10, 25), date(2026, 10, 25))):
        invoice = make_invoice(start_date=midnight(first), end_date=midnight(last + ONE_DAY))
        text, _ = text_of(staff.get(f"/invoices/{invoice.id}/download").content)
        assert f"{first} to {last}" in text


@pytest.mark.parametrize(("currency", "amount", "shown"), [("JPY", "5000", "5,000 JPY"), ("KWD", "1.234", "1.234 KWD")])
def test_amounts_have_the_decimals_of_their_currency(staff, currency, amount, shown):
    invoice = make_invoice(currency_code=currency, lines=[Line("x", Decimal(amount))])
    assert shown in text_of(staff.get(f"/invoices/{invoice.id}/download").content)[0]


def test_the_branding_sets_the_colour_and_a_logo_the_head(staff, settings, tmp_path):
    from PIL import Image

    path = tmp_path / "logo.png"
    Image.new("RGB", (300, 100), "red").save(path)
    tenant = make_tenant()
    plain = file_of(make_invoice(tenant))
    settings.SELLER_LOGO = str(path)
    Branding.objects.create(tenant=tenant, theme_metadata={"primaryColor": "#ff8800"})
    page = PdfReader(io.BytesIO(file_of(make_invoice(tenant)))).pages[0]
    assert len(page.images) == 1
    assert b"1 .533333 0 RG" in page.get_contents().get_data()
    assert not PdfReader(io.BytesIO(plain)).pages[0].images


@pytest.mark.parametrize("content", [b"", b"<svg/>", "half"])
def test_a_logo_that_is_no_picture_is_refused_at_the_start_and_costs_no_invoice(staff, settings, tmp_path, content):
    from PIL import Image

    path = tmp_path / "logo.png"
    if content == "half":
        Image.effect_noise((300, 100), 50).save(path)
        content = path.read_bytes()[:5_000]
    path.write_bytes(content)
    settings.SELLER_LOGO, settings.SELLER_NAME = str(path), "Sellers & Söhne"
    assert "tenantry.E001" in [error.id for error in run_checks()]
    answer = staff.get(f"/invoices/{make_invoice().id}/download")
    assert answer.status_code == 200
    assert "Sellers & Söhne" in text_of(answer.content)[0]


def test_a_document_is_made_once_and_never_again(staff, settings):
    invoice = make_invoice()
    first = staff.get(f"/invoices/{invoice.id}/download").content
    settings.SELLER_COLOUR = "#000000"
    for path in (f"/invoices/download/{invoice.id}", f"/invoices/download?id={invoice.id}"):
        assert staff.get(path).content == first
    assert staff.get(f"/invoices/{invoice.id}").json()["invoiceFile"].endswith(".pdf")
    for wrong in ("", "x"):
        assert staff.get("/invoices/download", id=wrong).status_code == 400


def test_who_makes_it_at_once_with_others_gives_out_the_same_file(staff, transactional_db, settings, tmp_path):
    files = {**settings.STORAGES["default"], "OPTIONS": {"location": tmp_path}}  # where no other test's are
    settings.STORAGES = {**settings.STORAGES, "default": files}
    invoice = make_invoice()
    contents = at_once(4, lambda _: staff.get(f"/invoices/{invoice.id}/download").content)
    invoice.refresh_from_db()
    with default_storage.open(invoice.invoice_file) as file:
        assert set(contents) == {file.read()}
    assert len([each for each in tmp_path.rglob("*") if each.is_file()]) == 1


def test_making_many_and_changing_many_at_once_do_not_wait_for_each_other(staff, transactional_db):
    tenants = [make_tenant(id=uuid.UUID(int=number)) for number in (2**127, 1)]
    invoices = [make_invoice(tenant) for tenant in tenants]  # in the table in the other order than that of locks

    def act(number):
        if number == 0:
            with transaction.atomic():
                Invoice.objects.select_for_update().get(id=invoices[0].id)
                time.sleep(2)
            return None
        time.sleep(number * 0.5)
        if number == 1:
            return documents.make(invoices)
        return staff.patch('/invoices?where={"status":0}', {"status": "PAID"}).status_code

    assert at_once(3, act) == [None, None, 200]


def test_an_invoice_is_mailed_with_its_document_to_the_billing_contact(staff, relayed, mailoutbox):
    tenant = make_tenant(name="Acme <b>")
    make_contact(tenant, is_primary=True, email="first@acme.example")
    body = {
        "startDate": "2026-01-01T00:00:00Z", "endDate": "2026-02-01T00:00:00Z", "dueDate": "2026-01-15T00:00:00Z",
        "currencyCode": "EUR", "tenantId": str(tenant.id), "amount": 1120.5,
    }  # fmt: skip
    made = staff.post("/invoices", body).json()
    relayed()
    make_contact(tenant, contact_type="BILLING", email="bill@acme.example")
    staff.post(f"/invoices/{made['id']}/credit-notes", {"amount": 20, "reason": "Too much"})
    relayed()
    assert [mail.to for mail in mailoutbox] == [["first@acme.example"], ["bill@acme.example"]]
    invoice, note = mailoutbox
    assert made["number"] in invoice.subject
    assert "1,120.50 EUR" in invoice.body
    assert "&lt;b&gt;" in invoice.alternatives[0][0]
    name, content, kind = invoice.attachments[0]
    assert (name, kind) == (f"{made['number']}.pdf", "application/pdf")
    assert content == staff.get(f"/invoices/{made['id']}/download").content
    assert "20.00 EUR" in note.body
    assert "Credit note" in text_of(note.attachments[0][1])[0]


def test_without_a_contact_the_document_is_made_all_the_same(staff, relayed, mailoutbox):
    body = {
        "startDate": "2026-01-01T00:00:00Z", "endDate": "2026-02-01T00:00:00Z", "dueDate": "2026-01-15T00:00:00Z",
        "currencyCode": "EUR", "tenantId": str(make_tenant().id), "amount": 1,
    }  # fmt: skip
    staff.post("/invoices", body)
    relayed()
    assert mailoutbox == []
    assert Invoice.objects.get().invoice_file


def test_documents_may_be_kept_in_s3(tmp_path):
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    server = [sys.executable, "-c", "from moto.server import main; import sys; main(sys.argv[1:])", "-p", str(port)]
    process = subprocess.Popen(server, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def is_up() -> bool:
        try:
            return requests.get(f"{url}/moto-api/", timeout=5).ok
        except requests.ConnectionError:
            return False

    try:
        wait_until(is_up)
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
        client = boto3.client("s3", endpoint_url=url, **keys)
        client.create_bucket(Bucket="documents")
        code = (
            "from django.core.files.storage import default_storage as s;"
            "from django.core.files.base import ContentFile;"
            "n = [s.save('documents/x.pdf', ContentFile(b'%PDF')) for _ in range(2)];"
            "print(len(set(n)), s.open(n[0]).read())"
        )
        found = manage(
            "shell", "-v0", "-c", code, VAR_DIR=str(tmp_path), FILES_S3_BUCKET="documents", FILES_S3_PREFIX="tenantry",
            AWS_ENDPOINT_URL=url, AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test",
        )  # fmt: skip
        assert found.stdout.strip() == "2 b'%PDF'", found.stderr
        assert client.list_objects_v2(Bucket="documents", Prefix="tenantry/documents/")["KeyCount"] == 2
    finally:
        process.terminate()
        process.wait()
