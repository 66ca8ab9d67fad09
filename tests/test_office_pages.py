"""The back-office in Chromium, against a service of its own with example data and the demo provisioner."""

import io
import json
import re
from base64 import b32decode
from datetime import timedelta

import pytest
import requests
from django_otp.oath import TOTP
from playwright.sync_api import expect
from pypdf import PdfReader

from config.branding import contrast
from identity.permissions import ALL_CODES
from identity.tokens import mint
from tests.browser import AXE, DEVICES, NEXT_FRAME, PICTURES, assert_accessible, picture, tab_to
from tests.make import sign_up_body
from tests.world import manage, served, wait_until

pytestmark = pytest.mark.xdist_group("office_pages")
TOO_WIDE = """() => [...document.querySelectorAll("body *")]
    .filter((each) => each.getBoundingClientRect().right > window.screen.width)
    .map((each) => `${each.tagName}.${each.className}`)"""
SPILLS = """() => [...document.querySelectorAll("#result_list, .office-lines, #result_list :is(td, th)")]
    .filter((each) => each.getBoundingClientRect().right > document.documentElement.clientWidth
        || each.scrollHeight > each.clientHeight + 1)
    .map((each) => each.outerHTML.slice(0, 200))"""
COLOR = """(each) => {
    const canvas = new OffscreenCanvas(1, 1).getContext("2d");
    canvas.fillStyle = getComputedStyle(each).color;
    canvas.fillRect(0, 0, 1, 1);
    const [red, green, blue] = canvas.getImageData(0, 0, 1, 1).data;
    return "#" + [red, green, blue].map((part) => part.toString(16).padStart(2, "0")).join("");
}"""
"""Of its words, as #rrggbb."""
PASSWORD = "a-long-one-for-tests"
DARK_TOO = {"dashboard", "two-factor", "tenant-list", "tenant", "invoice", "logentry", "tenant-deprovision"}
"""Pages that are looked at in dark mode and on a phone in every run; the others are when pictures are taken."""
ALIKE = re.compile("-(?!list$|add$)")
"""Names of pages that ask before something is done: one of them stands for all where no pictures are taken."""


class Office:
    """The service, its variables, and its API as somebody with every permission calls it."""

    def __init__(self, url: str, variables: dict[str, str]):
        self.url, self.variables = url, variables
        token = mint(subject="0b9a1c3e-5d52-4c0a-9f0e-3f7f5a1c2d3e", permissions=ALL_CODES, lifetime=timedelta(hours=1))
        self.headers = {"Authorization": f"Bearer {token}"}

    def api(self, method: str, path: str, body=None):
        answer = requests.request(method, self.url + path, json=body, headers=self.headers, timeout=10)
        assert answer.ok, answer.text
        return answer.json() if answer.content else None

    def manage(self, *arguments: str, **values: str) -> str:
        found = manage(*arguments, **self.variables, **values)
        assert found.returncode == 0, found.stderr
        return found.stdout

    def tenant(self, status: str) -> dict:
        return self.api("GET", f"/tenants?status={status}")[0]

    def log_in(self, page, username: str, code: str = "") -> None:
        page.goto(f"{self.url}/admin/login/")
        page.fill("#id_username", username)
        page.fill("#id_password", PASSWORD)
        page.fill("#id_code", code)
        page.get_by_role("button", name="Log in").click()


@pytest.fixture(scope="module")
def office(chromium, tmp_path_factory):
    variables = {"VAR_DIR": str(tmp_path_factory.mktemp("var")), "DEMO_BUILD_SECONDS": "0", "AUTH_MAX_ATTEMPTS": "0"}
    with served(**variables) as url:
        made = Office(url, variables)
        made.manage("seed")
        for name, role in (("boss", "Administrator"), ("helper", "Support"), ("careful", "Operator")):
            made.manage("create_staff", name, "--role", role, STAFF_PASSWORD=PASSWORD)
        yield made


def button(page, name: str):
    """A button above the page of an object; its icon's name is part of what it is called."""
    return page.get_by_role("link", name=re.compile(rf"\b{name}$")).first


def first_row(page):
    return page.locator("#result_list tbody th a, #result_list tbody td a").first


def press(page, name: str) -> None:
    """Press a button above the page of an object, and the one of the page that asks."""
    button(page, name).click()
    page.get_by_role("button", name=name, exact=True).click()


@pytest.mark.xdist_group("every_page")  # as long as all the others here
def test_every_page_is_accessible_and_looks_right(office, visit):
    script = "import json; from tests.every_page import addresses; print(json.dumps(addresses()))"
    addresses = json.loads(office.manage("shell", "-v0", "-c", script))
    assert set(addresses) >= DARK_TOO
    page = visit()
    page.add_init_script(AXE)
    page.goto(f"{office.url}/admin/login/")
    picture(page, "office-login", device="desktop")
    assert_accessible(page)
    office.log_in(page, "boss")
    expect(page.get_by_role("heading", name="Needs a person")).to_be_visible()
    for name, path in addresses.items():
        if ALIKE.search(name) and not (PICTURES or name in DARK_TOO):
            continue
        assert page.goto(office.url + path).status == 200, name
        assert page.url == office.url + path
        for device, options in DEVICES.items():
            page.set_viewport_size(options["viewport"])
            page.emulate_media(color_scheme=options["color_scheme"])
            if device == "desktop" or PICTURES or name in DARK_TOO:
                assert_accessible(page, but_for="" if name == "dashboard" else "#nav-sidebar")
            width = page.evaluate("document.documentElement.scrollWidth")
            assert width <= options["viewport"]["width"], (name, page.evaluate(TOO_WIDE))
            assert page.evaluate(SPILLS) == [], name
            picture(page, f"office-{name}", device=device)


def test_the_login_fits_a_phone_whatever_the_service_is_called(office, visit):
    page = visit("phone", viewport={"width": 375, "height": 667})
    page.goto(f"{office.url}/admin/login/")
    page.evaluate("document.querySelector('h1 span:last-child').append('W'.repeat(100))")
    picture(page, "52-long-name", device="phone")
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= 375, page.evaluate(TOO_WIDE)


def test_an_open_page_follows_the_scheme_of_the_system_until_one_is_chosen(office, visit):
    page = visit()
    page.goto(f"{office.url}/admin/login/")
    paper = page.locator("body")
    light = paper.evaluate("(body) => getComputedStyle(body).backgroundColor")
    page.emulate_media(color_scheme="dark")
    expect(paper).not_to_have_css("background-color", light)
    page.emulate_media(color_scheme="light")
    expect(paper).to_have_css("background-color", light)
    page.get_by_text("computer").first.click()
    page.get_by_text("Dark", exact=True).click()
    expect(paper).not_to_have_css("background-color", light)
    page.emulate_media(color_scheme="dark")
    page.emulate_media(color_scheme="light")
    page.evaluate(NEXT_FRAME)
    expect(paper).not_to_have_css("background-color", light)


def printed(page) -> str:
    """The words of a page on paper, without spaces: they may be broken anywhere."""
    page.wait_for_load_state("networkidle")
    sheets = PdfReader(io.BytesIO(page.pdf(format="A4"))).pages
    return re.sub(r"\s", "", "".join(sheet.extract_text() for sheet in sheets))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_is_printed_whole_and_dark_on_white(office, visit, scheme):
    page = visit(color_scheme=scheme)
    office.log_in(page, "boss")
    page.goto(f"{office.url}/admin/?days=90")
    said = printed(page)
    assert "Period:90days" in said
    assert "30days" not in said
    page.emulate_media(media="print")
    for words in ("h2", ".office-card strong", ".office-legend li", ".office-shares a"):
        color = page.locator(words).last.evaluate(COLOR)
        assert contrast(color, "#ffffff") >= 4.5, (words, color)
    for coloured, part in ((".office-plot rect", None), (".office-legend li", "::before")):
        adjusted = "(each, part) => getComputedStyle(each, part).printColorAdjust"
        assert page.locator(coloured).first.evaluate(adjusted, part) == "exact"
    page.emulate_media(media="null")  # as it is, which is on paper when it is printed
    for listed, words, address in (("tenants", "name", "tenants/tenant"), ("invoices", "number", "billing/invoice")):
        page.goto(f"{office.url}/admin/{address}/")
        said, rows = printed(page), office.api("GET", f"/{listed}")
        assert len(rows) > 10
        assert not [row for row in rows if (row.get(words) or "").replace(" ", "") not in said]
        assert not [word for word in ("SelectRecord", "Filters", "CREATED_ON") if word in said]


@pytest.mark.parametrize("device", DEVICES)
def test_a_tenant_is_reached_by_keyboard_from_its_name_to_its_timeline(office, visit, device):
    page = visit(device)
    office.log_in(page, "careful")
    page.goto(f"{office.url}/admin/tenants/tenant/{office.tenant('ACTIVE')['id']}/change/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    if device == "phone":
        tab_to(page, "[x-on\\:click*=showActions]")
        page.keyboard.press("Enter")
    tab_to(page, "[x-on\\:click*=actionDropdownOpen]")
    page.keyboard.press("Space")
    expect(page.get_by_role("link", name="Export")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("link", name="Export")).to_be_hidden()
    expect(page.get_by_role("button", name="More", exact=True)).to_be_focused()
    tab_to(page, "[x-on\\:click*=timeline]")
    page.keyboard.press("Enter")
    expect(page.get_by_role("columnheader", name="Outcome")).to_be_visible()
    assert_accessible(page)


@pytest.mark.parametrize("device", DEVICES)
def test_menus_and_filters_are_reached_by_keyboard(office, visit, device):
    page = visit(device)
    office.log_in(page, "careful")
    page.goto(f"{office.url}/admin/tenants/tenant/")
    tab_to(page, "[x-on\\:click*='filterOpen = true']")
    page.keyboard.press("Enter")
    page.wait_for_function("document.activeElement.closest('#filter-form') !== null")
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Filters", exact=True)).to_be_focused()
    page.reload()
    if device == "phone":
        tab_to(page, "[x-on\\:click*=sidebarMobileOpen]")
        page.keyboard.press("Enter")
    tab_to(page, "[x-on\\:click*=openUserLinks]")
    page.keyboard.press("Enter")
    tab_to(page, "#logout-form button")
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Log in again")).to_be_visible()


def test_nothing_is_asked_of_anybody_else(office, visit):
    page, asked = visit(), []
    page.on("request", lambda request: asked.append(request.url))
    office.log_in(page, "boss")
    page.goto(f"{office.url}/admin/tenants/tenant/")
    assert asked
    assert not [url for url in asked if not url.startswith((office.url, "data:"))]


def test_a_tenant_is_found_provisioned_and_becomes_active_and_a_failed_one_is_retried(office, visit):
    page = visit()
    office.log_in(page, "careful")
    for status, name in (("PENDINGPROVISION", "Provision"), ("PROVISIONFAILED", "Retry")):
        tenant = office.tenant(status)
        page.goto(f"{office.url}/admin/tenants/tenant/")
        page.fill("#searchbar", tenant["key"])
        page.keyboard.press("Enter")
        page.get_by_role("link", name=tenant["name"]).first.click()
        button(page, name).click()
        page.select_option("#id_plan", index=1)
        page.get_by_role("button", name=name, exact=True).click()
        expect(page.get_by_text("The provisioner is asked")).to_be_visible()
        wait_until(lambda id=tenant["id"]: office.api("GET", f"/tenants/{id}")["status"] == 0)
        page.reload()
        expect(page.get_by_text("ACTIVE", exact=True).first).to_be_visible()


def test_an_invoice_is_issued_and_downloaded(office, visit):
    page = visit()
    office.log_in(page, "boss")
    invoice = office.api("POST", "/invoices", {
        "tenantId": office.tenant("ACTIVE")["id"], "startDate": "2026-01-01T00:00:00Z", "status": "DRAFT",
        "endDate": "2026-02-01T00:00:00Z", "dueDate": "2026-02-01T00:00:00Z", "amount": 10, "currencyCode": "EUR",
    })  # fmt: skip
    page.goto(f"{office.url}/admin/billing/invoice/{invoice['id']}/change/")
    press(page, "Issue")
    expect(page.get_by_text("The invoice is issued.")).to_be_visible()
    with page.expect_download() as download:
        button(page, "Download PDF").click()
    assert re.fullmatch(r"INV-\d{4}-\d{6}\.pdf", download.value.suggested_filename)


def test_a_dead_delivery_is_replayed(office, visit):
    office.api("POST", "/leads", sign_up_body())  # its mail is what will be dead
    office.manage("shell", "-v0", "-c", "from provisioning.models import *; Delivery.objects.update(state=2)")
    page = visit()
    office.log_in(page, "careful")
    page.get_by_role("link", name="Dead deliveries").click()
    first_row(page).click()
    press(page, "Replay")
    expect(page.get_by_text("The delivery will be tried again.")).to_be_visible()


def test_a_deleted_tenant_is_restored(office, visit):
    tenant = office.tenant("INACTIVE")
    office.api("DELETE", f"/tenants/{tenant['id']}")
    page = visit()
    office.log_in(page, "careful")
    page.goto(f"{office.url}/admin/tenants/tenant/?deleted=yes")
    page.get_by_role("link", name=tenant["name"]).first.click()
    press(page, "Restore")
    expect(page.get_by_text("It is restored.")).to_be_visible()
    assert office.api("GET", f"/tenants/{tenant['id']}")["deleted"] is False


def test_support_sees_no_button_and_is_refused_at_the_address(office, visit):
    page = visit()
    office.log_in(page, "helper")
    tenant = office.tenant("ACTIVE")
    page.goto(f"{office.url}/admin/tenants/tenant/{tenant['id']}/change/")
    expect(page.get_by_text(tenant["name"]).first).to_be_visible()
    assert page.get_by_role("link", name="Suspend").count() == 0
    page.goto(f"{office.url}/admin/tenants/tenant/{tenant['id']}/suspend/")
    expect(page.get_by_role("heading", name="Not permitted")).to_be_visible()
    assert_accessible(page)


def test_an_app_is_enrolled_and_its_code_asked_for(office, visit):
    office.manage("create_staff", "two", "--role", "Support", STAFF_PASSWORD=PASSWORD)
    page = visit()
    office.log_in(page, "two")
    page.goto(f"{office.url}/admin/two-factor/")
    key = b32decode(page.locator("code").inner_text().replace(" ", ""))
    page.fill("#id_code", f"{TOTP(key).token():06d}")
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_text("asked for at every login")).to_be_visible()
    picture(page, "50-recovery-codes", device="desktop")
    assert_accessible(page)
    page.get_by_role("link", name="I have kept them").click()
    expect(page.get_by_role("heading", name="Needs a person")).to_be_visible()
    page.goto(f"{office.url}/admin/two-factor/")
    picture(page, "51-recovery-codes-left", device="desktop")
    assert_accessible(page)
    stranger = visit()
    office.log_in(stranger, "two")
    expect(stranger.get_by_text("The code is missing or wrong")).to_be_visible()
    office.manage("reset_two_factor", "two")
    office.log_in(stranger, "two")
    expect(stranger.get_by_role("heading", name="Needs a person")).to_be_visible()
