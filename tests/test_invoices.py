"""Invoices over HTTP: lines, the freeze, what a status in a request means, payments, credit notes, who may what."""

import json
import os
import time
from datetime import date
from decimal import Decimal

import pytest
from django.db import connection
from django.utils.dateparse import parse_datetime
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing.gateways import active
from billing.gateways.base import NotificationRefused, PaymentGateway, Receipt
from billing.models import CreditNote, Invoice, InvoiceStatus, NumberSeries, Payment
from tests.conftest import Caller, assert_error, at_once
from tests.make import make_invoice, make_tenant
from tests.processes import Process

pytestmark = pytest.mark.django_db
LINES = [
    {"description": "Seats", "quantity": 3, "unitPrice": 9.99, "discountPercent": 10, "taxRate": 19},
    {"description": "Support", "unitPrice": 100, "taxRate": 7},
]
MUCH = {"description": "x", "unitPrice": 99e8, "quantity": 10}


def body(tenant=None, **values):
    return {
        "startDate": "2026-01-01T00:00:00Z", "endDate": "2026-02-01T00:00:00Z", "dueDate": "2026-01-15T00:00:00Z",
        "currencyCode": "EUR", "tenantId": str((tenant or make_tenant()).id),
        **({} if "lines" in values else {"amount": 120.5}), **values,
    }  # fmt: skip


def made(caller, **values) -> dict:
    answer = caller.post("/invoices", body(**values))
    assert answer.status_code == 200, answer.content
    return answer.json()


class TestAnInvoice:
    def test_of_the_reference_is_issued_at_once_with_one_line(self, staff, clock):
        clock(date(2026, 3, 15))
        found = made(staff)
        assert (found["amount"], found["status"], found["number"]) == (120.5, 0, "INV-2026-000001")
        assert found["issuedOn"]
        assert [line["amount"] for line in found["lines"]] == [120.5]
        assert (found["subtotal"], found["taxTotal"], found["openAmount"]) == (120.5, 0, 120.5)

    def test_of_lines_has_its_total_worked_out(self, staff):
        found = made(staff, lines=LINES)
        assert [line["amount"] for line in found["lines"]] == [26.97, 100]
        assert found["taxes"] == [{"rate": 7, "net": 100, "tax": 7}, {"rate": 19, "net": 26.97, "tax": 5.12}]
        assert (found["subtotal"], found["taxTotal"], found["amount"]) == (126.97, 12.12, 139.09)
        assert staff.get(f"/invoices/{found['id']}").json() == found

    @pytest.mark.parametrize(
        "values",
        [
            {"amount": 1.005}, {"amount": 5.5, "currencyCode": "JPY"}, {"currencyCode": "XXX"}, {"lines": []},
            {"lines": LINES, "amount": 1}, {"lines": [{"description": "x"}]}, {"lines": [{"unitPrice": 1}]},
            {"lines": [{"description": "x", "unitPrice": -1}]}, {"lines": [{**LINES[0], "taxRate": 101}]},
            {"lines": [{**LINES[0], "discountPercent": -1}]}, {"lines": [{**LINES[0], "amount": 1}]},
            {"lines": [{**LINES[0], "quantity": 1e9}]}, {"lines": [{**LINES[0], "unknown": 1}]}, {"lines": "x"},
            {"lines": [*[{**MUCH, "taxRate": 0}] * 3, {**MUCH, "unitPrice": -99e8, "taxRate": 100}]},
            {"lines": LINES * 300}, {"lines": [{"description": "x", "unitPrice": 9e9, "quantity": 9e7}]},
            {"number": "INV-1"}, {"paidAmount": 5}, {"seller": {"name": "me"}}, {"subscriptionId": None, "x": 1},
        ],
        ids=lambda values: json.dumps(values)[:60],
    )  # fmt: skip
    def test_that_makes_no_sense_is_refused(self, staff, values):
        assert_error(staff.post("/invoices", body(**values)), 422)
        assert not NumberSeries.objects.exists()

    def test_may_say_that_it_has_no_file_and_names_none(self, staff):
        assert made(staff, invoiceFile=None)["invoiceFile"] is None
        assert_error(staff.post("/invoices", body(invoiceFile="x.pdf")), 422)

    def test_without_amount_or_lines_is_refused(self, staff):
        wrong = body()
        del wrong["amount"]
        assert_error(staff.post("/invoices", wrong), 422)

    def test_freezes_seller_and_buyer_when_it_is_issued(self, staff, settings):
        settings.SELLER_NAME, settings.SELLER_TAX_ID = "Seller Ltd", "GB1"
        tenant = make_tenant(name="Acme")
        customer = {"tenantId": str(tenant.id), "name": "Acme Holding", "taxId": "PL1", "address": "1 High St\nLondon"}
        assert staff.post("/billing-customers", customer).status_code == 200
        id = made(staff, tenant=tenant)["id"]
        settings.SELLER_NAME = "Other"
        staff.patch('/billing-customers?where={"name":"Acme Holding"}', {"name": "Renamed"})
        found = staff.get(f"/invoices/{id}").json()
        assert (found["seller"]["name"], found["seller"]["taxId"]) == ("Seller Ltd", "GB1")
        assert (found["buyer"]["name"], found["buyer"]["taxId"]) == ("Acme Holding", "PL1")


class TestWhatIsIssued:
    @pytest.mark.parametrize(
        "change",
        [
            {"amount": 99}, {"currencyCode": "USD"}, {"dueDate": "2026-03-01T00:00:00Z"}, {"lines": LINES},
            {"startDate": "2025-01-01T00:00:00Z"}, {"endDate": "2027-01-01T00:00:00Z"},
        ],
    )  # fmt: skip
    @pytest.mark.parametrize("status", ["PENDING", "PAID", "CANCELLED"])
    def test_never_changes(self, staff, change, status):
        tenant = make_tenant()
        found = made(staff, tenant=tenant, status=status)
        path = f"/invoices/{found['id']}"
        assert_error(staff.patch(path, change), 409, code="invoice_issued")
        assert_error(staff.patch(path, {**change, "status": "PAID"}), 409)
        assert_error(staff.put(path, {**body(tenant), **change}), 422 if "lines" in change else 409)
        assert_error(staff.patch(path, {"tenantId": str(make_tenant().id)}), 409)
        assert staff.get(path).json() == found

    def test_takes_back_what_was_read_of_it(self, staff):
        found = made(staff, lines=LINES)
        path = f"/invoices/{found['id']}"
        assert staff.patch(path, found).status_code == 204
        changing = {key: found[key] for key in body(lines=1)} | {"amount": found["amount"], "lines": found["lines"]}
        assert staff.put(path, changing).status_code == 204
        assert {**staff.get(path).json(), "modifiedOn": 0} == {**found, "modifiedOn": 0}

    def test_is_not_deleted_but_a_draft_is(self, staff):
        found, draft = made(staff), made(staff, status="DRAFT")
        assert_error(staff.delete(f"/invoices/{found['id']}"), 409, code="invoice_issued")
        assert staff.delete(f"/invoices/{draft['id']}").status_code == 204
        assert_error(staff.get(f"/invoices/{draft['id']}"), 404)

    def test_is_told_from_a_draft_that_changes_until_it_is_issued(self, staff):
        draft = made(staff, status="DRAFT")
        path = f"/invoices/{draft['id']}"
        assert (draft["number"], draft["seller"]) == (None, {})
        assert staff.patch(path, {"lines": LINES}).status_code == 204
        assert staff.get(path).json()["amount"] == 139.09
        assert staff.patch(path, {"amount": 50}).status_code == 204
        assert [line["amount"] for line in staff.get(path).json()["lines"]] == [50]
        assert staff.put(path, body(make_tenant())).status_code == 204
        assert staff.get(path).json()["status"] == 3
        assert_error(staff.get(f"{path}/download"), 409)
        assert staff.patch(path, {"status": "PENDING"}).status_code == 204
        assert staff.get(path).json()["number"].endswith("-000001")


MOVES = {
    ("DRAFT", "PENDING"), ("DRAFT", "PAID"), ("PENDING", "PAID"), ("PENDING", "CANCELLED"), ("PAID", "CANCELLED"),
}  # fmt: skip


@pytest.mark.parametrize("target", ["DRAFT", "PENDING", "PAID", "CANCELLED"])
@pytest.mark.parametrize("source", ["DRAFT", "PENDING", "PAID", "CANCELLED"])
def test_a_status_moves_these_ways_alone(staff, source, target):
    found = made(staff, status=source)
    answer = staff.patch(f"/invoices/{found['id']}", {"status": target})
    if (source, target) in MOVES or source == target:
        assert answer.status_code == 204
        assert staff.get(f"/invoices/{found['id']}").json()["status"] == InvoiceStatus[target]
    else:
        assert_error(answer, 409, code="illegal_move")
        assert staff.get(f"/invoices/{found['id']}").json()["status"] == InvoiceStatus[source]


def test_what_is_free_is_cancelled_with_the_others_and_needs_no_credit_note(staff):
    free, dear = made(staff, amount=0), made(staff)
    answer = staff.patch('/invoices?where={"number":{"like":"INV%"}}', {"status": "CANCELLED"})
    assert answer.json() == {"count": 2}
    assert CreditNote.objects.get().amount == dear["amount"]
    path = f"/invoices/{free['id']}"
    for amount in (5, -5):
        assert staff.get(path).json()["status"] == InvoiceStatus.CANCELLED
        assert staff.post(f"{path}/payments", {"amount": amount}).status_code == 200
    assert_error(staff.patch(path, {"status": "PAID"}), 409, code="illegal_move")


@pytest.mark.parametrize("cents", [113, 114, 137, 158, 1999, 99_999_999_99])
def test_documents_add_up_whatever_their_sums(staff, cents):
    found = made(staff, lines=[{"description": "x", "unitPrice": cents / 100, "taxRate": 19}])
    for credited in (0.57, None):
        answer = staff.post(f"/invoices/{found['id']}/credit-notes", {"amount": credited} if credited else None)
        assert answer.status_code == 200, answer.content


class TestMoney:
    def test_paid_in_parts_covers_the_invoice_at_last(self, staff):
        path = f"/invoices/{made(staff)['id']}"
        for amount, status, rest in ((20.5, 0, 100), (99.99, 0, 0.01), (0.01, 1, 0), (5, 1, -5)):
            answer = staff.post(f"{path}/payments", {"amount": amount, "method": "transfer", "reference": f"r{rest}"})
            assert answer.json()["amount"] == amount
            found = staff.get(path).json()
            assert (found["status"], found["openAmount"]) == (status, rest)
        assert [each["amount"] for each in staff.get(f"{path}/payments").json()] == [20.5, 99.99, 0.01, 5]
        assert staff.get("/payments/count").json() == {"count": 4}
        including = staff.get(path, filter={"include": ["payments", "creditNotes"]}).json()
        assert (len(including["payments"]), including["creditNotes"]) == (4, [])

    @pytest.mark.parametrize("amount", [0, 0.001, "x", None, True, 1e12])
    def test_that_is_none_is_refused(self, staff, amount):
        assert_error(staff.post(f"/invoices/{make_invoice().id}/payments", {"amount": amount}), 422)

    def test_is_paid_up_to_what_can_be_kept(self, staff):
        path = f"/invoices/{make_invoice().id}"
        assert staff.post(f"{path}/payments", {"amount": 99_999_999_999}).status_code == 200
        assert_error(staff.post(f"{path}/payments", {"amount": 1}), 409, code="amount")
        assert staff.get(path).json()["paidAmount"] == 99_999_999_999

    def test_is_recorded_as_it_is_told(self, staff):
        path = f"/invoices/{make_invoice().id}/payments"
        told = {"amount": 20, "date": "2026-01-09T08:30:00Z", "method": "transfer", "reference": "bank-1"}
        assert staff.post(path, told).status_code == 200
        assert [{name: each[name] for name in told} for each in staff.get(path).json()] == [told]

    def test_of_one_reference_is_recorded_once_also_in_a_race(self, staff, transactional_db):
        path = f"/invoices/{make_invoice().id}/payments"
        answers = at_once(4, lambda _: staff.post(path, {"amount": 10, "reference": "bank-1"}).status_code)
        assert sorted(answers) == [200, 409, 409, 409]
        assert Invoice.objects.get().paid_amount == 10

    def test_paid_by_several_at_once_is_all_counted(self, staff, transactional_db):
        path = f"/invoices/{make_invoice().id}"
        assert at_once(5, lambda _: staff.post(f"{path}/payments", {"amount": 24.1}).status_code) == [200] * 5
        found = staff.get(path).json()
        assert (found["paidAmount"], found["openAmount"], found["status"]) == (120.5, 0, 1)

    def test_paid_in_full_at_once_is_paid_once(self, staff, transactional_db):
        path = f"/invoices/{make_invoice().id}"
        at_once(4, lambda _: staff.patch(path, {"status": "PAID"}))
        assert Payment.objects.count() == 1

    def test_is_paid_back_after_a_credit_note_and_never_more_than_was_paid(self, staff):
        path = f"/invoices/{made(staff, lines=LINES, status='PAID')['id']}"
        note = staff.post(f"{path}/credit-notes", {"amount": 39.09, "reason": "Too many seats"}).json()
        assert note["number"].startswith("CN-")
        assert note["subtotal"] + note["taxTotal"] == pytest.approx(39.09)
        found = staff.get(path).json()
        assert (found["status"], found["creditedAmount"], found["openAmount"]) == (1, 39.09, -39.09)
        assert_error(staff.post(f"{path}/payments", {"amount": -139.1}), 409, code="amount")
        assert staff.post(f"{path}/payments", {"amount": -39.09}).status_code == 200
        assert staff.get(path).json()["openAmount"] == 0

    def test_is_not_credited_beyond_the_invoice(self, staff):
        path = f"/invoices/{made(staff)['id']}/credit-notes"
        assert_error(staff.post(path, {"amount": 120.51}), 409, code="amount")
        assert staff.post(path, {"amount": 20}).status_code == 200
        assert_error(staff.post(path, {"amount": 101}), 409, code="amount")
        for wrong in ({"amount": 0}, {"amount": -1}, {"amount": 1.001}, {"reason": "a\nb"}, {"reason": 7}):
            assert_error(staff.post(path, wrong), 422)
        assert staff.post(path).json()["amount"] == 100.5
        assert [note["amount"] for note in staff.get(path).json()] == [20, 100.5]
        assert Invoice.objects.get().status == InvoiceStatus.CANCELLED
        assert_error(staff.post(path), 409)

    def test_is_credited_once_by_several_at_once(self, staff, transactional_db):
        path = f"/invoices/{make_invoice().id}"
        answers = at_once(4, lambda _: staff.post(f"{path}/credit-notes").status_code)
        assert sorted(answers) == [200, 409, 409, 409]
        assert CreditNote.objects.count() == 1

    def test_reopens_when_a_payment_bounces(self, staff):
        path = f"/invoices/{made(staff, status='PAID')['id']}"
        staff.post(f"{path}/payments", {"amount": -120.5})
        assert staff.get(path).json()["status"] == 0

    @settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(steps=st.lists(st.tuples(st.sampled_from(["pay", "credit"]), st.decimals(-200, 200, places=2)), max_size=8))
    def test_paid_credited_and_open_are_the_total_whatever_happens(self, staff, steps):
        invoice = make_invoice()
        for kind, amount in steps:
            what = "payments" if kind == "pay" else "credit-notes"
            staff.post(f"/invoices/{invoice.id}/{what}", {"amount": float(amount)})
            found = Invoice.objects.get(id=invoice.id)
            paid = sum((each.amount for each in found.payments.all()), Decimal(0))
            credited = sum((each.amount for each in found.credit_notes.all()), Decimal(0))
            assert (found.paid_amount, found.credited_amount) == (paid, credited)
            assert paid + credited + found.open_amount == found.amount
            assert (found.status == InvoiceStatus.PENDING) == (found.open_amount > 0)


class TestALead:
    def test_asks_for_a_draft_and_issues_nothing(self, lead, tenant, relayed):
        for wanted in ({}, {"status": "PENDING"}, {"status": "DRAFT"}):
            assert made(lead, tenant=tenant, **wanted)["status"] == 3
        for wanted in ("PAID", "CANCELLED"):
            assert_error(lead.post("/invoices", body(tenant, status=wanted)), 403)
        assert not NumberSeries.objects.exists()
        assert relayed() == []

    def test_never_settles_an_invoice(self, lead, tenant):
        path = f"/invoices/{make_invoice(tenant).id}"
        assert_error(lead.post(f"{path}/payments", {"amount": 120.5}), 403)
        assert_error(lead.post(f"{path}/credit-notes"), 403)
        assert_error(lead.patch(path, {"status": "PAID"}), 403)
        assert_error(lead.patch('/invoices?where={"status":0}', {"status": "PAID"}), 403)
        assert_error(lead.delete(path), 403)
        assert_error(lead.get("/billing/summary"), 403)

    def test_sees_its_own_payments_credit_notes_and_documents_alone(self, lead, tenant, staff):
        mine, other = make_invoice(tenant), make_invoice()
        for invoice in (mine, other):
            staff.post(f"/invoices/{invoice.id}/payments", {"amount": 20})
            staff.post(f"/invoices/{invoice.id}/credit-notes", {"amount": 10})
        for path in ("/payments", "/credit-notes"):
            assert lead.get(f"{path}/count").json() == {"count": 1}
            assert len(lead.get(path).json()) == 1
            assert len(lead.get(f"/invoices/{mine.id}{path}").json()) == 1
            assert_error(lead.get(f"/invoices/{other.id}{path}"), 404)
        assert lead.get(f"/invoices/{mine.id}/download").status_code == 200
        assert_error(lead.get(f"/invoices/{other.id}/download"), 404)
        assert_error(lead.get("/invoices/download", id=str(other.id)), 404)

    def test_says_how_it_wants_to_be_named(self, lead, tenant):
        customer = {"tenantId": str(tenant.id), "name": "Acme Holding"}
        assert lead.post("/billing-customers", customer).status_code == 200
        assert_error(lead.post("/billing-customers", customer), 409, code="billing_customer_exists")
        assert_error(lead.post("/billing-customers", {**customer, "tenantId": str(make_tenant().id)}), 422)


class TestABulkChange:
    def test_pays_each_invoice_in_full(self, staff):
        for _ in range(3):
            make_invoice()
        assert staff.patch('/invoices?where={"status":0}', {"status": "PAID"}).json() == {"count": 3}
        assert Payment.objects.count() == 3

    def test_is_all_or_nothing(self, staff):
        make_invoice(), make_invoice(status=InvoiceStatus.DRAFT)
        assert_error(staff.patch('/invoices?where={"currencyCode":"EUR"}', {"status": "CANCELLED"}), 409)
        assert not CreditNote.objects.exists()

    def test_waits_for_others_and_they_for_it(self, staff, transactional_db):
        drafts = sorted((make_invoice(status=InvoiceStatus.DRAFT) for _ in range(40)), key=lambda each: each.tenant_id)

        def issue(number):
            if number == 0:
                return [staff.patch('/invoices?where={"status":3}', {"status": "PENDING"}).status_code]
            paths = [f"/invoices/{draft.id}" for draft in drafts[20 + number :: 4]]
            return [staff.patch(path, {"status": "PENDING"}).status_code for path in paths]

        answers = at_once(4, issue)
        assert {status for statuses in answers for status in statuses} <= {200, 204}, answers
        assert not Invoice.objects.filter(status=InvoiceStatus.DRAFT).exists()

    @pytest.mark.parametrize("change", [{"amount": 1}, {"lines": LINES}, {"currencyCode": "USD"}])
    def test_changes_no_amounts(self, staff, change):
        make_invoice(status=InvoiceStatus.DRAFT)
        assert_error(staff.patch('/invoices?where={"status":3}', change), 422)


class Mint(PaymentGateway):
    """A gateway of somebody else's."""

    def payment_url(self, invoice):
        return f"https://mint.example/{invoice.number}"

    def receipts(self, headers, body):
        if headers.get("X-Mint") != "signed":
            raise NotificationRefused("The signature is wrong.")
        return [
            Receipt(**{**each, "amount": Decimal(each["amount"]), "date": parse_datetime(each.get("date", ""))})
            for each in json.loads(body)
        ]


class TestAGateway:
    @pytest.fixture(autouse=True)
    def mint(self, settings):
        settings.PAYMENT_GATEWAYS = {"mint": "tests.test_invoices.Mint"}
        active.cache_clear()
        yield
        active.cache_clear()

    def test_tells_of_a_payment_as_often_as_it_likes(self, anyone):
        invoice = make_invoice()
        moment = "2026-01-09T08:30:00+00:00"
        told = [
            {"number": invoice.number, "amount": "120.50", "currency_code": "EUR", "reference": "m-1", "date": moment}
        ]
        for _ in range(2):
            assert anyone.post("/billing/notifications/mint", told, **{"X-Mint": "signed"}).status_code == 204
        invoice.refresh_from_db()
        assert (invoice.status, invoice.paid_amount) == (InvoiceStatus.PAID, Decimal("120.50"))
        payment = Payment.objects.get()
        assert (payment.gateway, payment.method, payment.reference) == ("mint", "mint", "m-1")
        assert payment.date.isoformat() == moment

    def test_is_refused_what_nobody_can_pay(self, anyone):
        invoice = make_invoice()
        told = {"number": invoice.number, "amount": "120.4951", "currency_code": "EUR", "reference": "m-1"}
        assert_error(anyone.post("/billing/notifications/mint", [told], **{"X-Mint": "signed"}), 409, code="amount")
        assert not Payment.objects.exists()

    def test_is_refused_without_its_signature_and_for_what_is_no_invoice(self, anyone):
        invoice = make_invoice()
        told = {"number": invoice.number, "amount": "1", "currency_code": "USD", "reference": "m-1"}
        assert_error(anyone.post("/billing/notifications/mint", [told]), 401)
        assert_error(anyone.post("/billing/notifications/manual", [told]), 401)
        assert_error(anyone.post("/billing/notifications/nobody", [told]), 404)
        for wrong in (told, {**told, "number": "INV-1"}):
            answer = anyone.post("/billing/notifications/mint", [wrong], **{"X-Mint": "signed"})
            assert_error(answer, 409, code="unknown_invoice")
        assert not Payment.objects.exists()


class TestNumbers:
    def numbers(self) -> list[int]:
        return sorted(int(number.rpartition("-")[2]) for number in Invoice.objects.values_list("number", flat=True))

    def test_of_a_request_that_fails_are_free_again(self, staff, clock, monkeypatch):
        clock(date(2026, 3, 15))
        made(staff)

        def fail(**_):
            raise RuntimeError

        with monkeypatch.context() as patched:
            patched.setattr("provisioning.receivers.events.record_all", lambda *_, **__: fail())
            assert_error(staff.post("/invoices", body()), 500)
        made(staff)
        assert self.numbers() == [1, 2]

    def test_are_counted_by_series_and_year(self, staff, settings, clock):
        for series, year in (("A", 2026), ("B", 2026), ("A", 2027)):
            settings.INVOICE_SERIES = series
            clock(date(year, 3, 15))
            made(staff)
        found = set(Invoice.objects.values_list("number", flat=True))
        assert found == {"A-2026-000001", "B-2026-000001", "A-2027-000001"}

    @pytest.mark.postgresql
    def test_have_no_gap_and_no_double_when_processes_issue_at_once_and_are_killed(self, transactional_db):
        tenant, processes, target = make_tenant(), 4, 80
        variables = os.environ | {"DB_DATABASE": connection.settings_dict["NAME"]}

        def begin():
            return Process("tests/issuer.py", tenant.id, target, env=variables)

        workers = [begin() for _ in range(processes)]
        deadline = time.monotonic() + 120
        while Invoice.objects.count() < target // 4 and time.monotonic() < deadline:
            time.sleep(0.02)
        for worker in workers[::2]:
            worker.kill()
            worker.wait()
        killed_at = Invoice.objects.count()
        workers[::2] = [begin() for _ in workers[::2]]
        for worker in workers:
            assert worker.wait(120) == 0
        assert target // 4 <= killed_at < target
        assert self.numbers() == list(range(1, Invoice.objects.count() + 1))
        assert NumberSeries.objects.get(series="INV").last == Invoice.objects.count() >= target


def test_the_operations_need_their_codes(caller_with):
    id = make_invoice().id
    for method, path, codes in (
        ("GET", f"/invoices/{id}/download", ("10212", "10215")),
        ("GET", f"/invoices/download/{id}", ("10212", "10215")),
        ("GET", f"/invoices/download?id={id}", ("10212", "10215")),
        ("GET", f"/invoices/{id}/payments", ("5325", "10215")),
        ("POST", f"/invoices/{id}/payments", ("5322", "10213")),
        ("GET", f"/invoices/{id}/credit-notes", ("5326", "10215")),
        ("GET", "/payments", ("5325", "10215")),
        ("GET", "/credit-notes", ("5326", "10215")),
        ("GET", "/billing/summary", ("5326", "10215")),
        ("GET", "/billing-customers", ("5324",)),
        ("GET", "/subscriptions", ("7004",)),
    ):
        content = {"amount": 1} if method == "POST" else None
        assert_error(Caller().request(method, path, content), 401)
        assert_error(caller_with("10207").request(method, path, content), 403)
        for code in codes:
            assert caller_with(code).request(method, path, content).status_code == 200
