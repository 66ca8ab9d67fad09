"""The sign-up pages in Chromium, against a service of their own with the development mailbox."""

import pytest
from playwright.sync_api import expect

from tests.browser import DEVICES, PATIENCE, assert_accessible, picture, tab_to
from tests.visitors import choose, confirm, create, fill_in, open_link, open_mail, sign_up, signing_up, staff

pytestmark = pytest.mark.xdist_group("signup_pages")
PAGE_BYTES = 60_000


@pytest.fixture(scope="module")
def service(chromium, tmp_path_factory):
    with signing_up(tmp_path_factory.mktemp("var")) as url:
        yield url


@pytest.mark.parametrize("device", DEVICES)
def test_the_way_leads_from_the_form_to_the_active_tenant(service, visit, device):
    email, company = f"ada@{device}.example", f"{device.title()} Engines Ltd"
    page = visit(device)
    page.goto(f"{service}/")
    picture(page, "01-home", device=device)
    assert_accessible(page)
    page.get_by_role("link", name="Sign up as a customer").click()
    picture(page, "02-form", device=device)
    assert_accessible(page)
    page.get_by_role("button", name="Sign up").click()
    expect(page.locator("#firstName")).to_be_focused()
    assert page.locator(".error:not(:empty)").count() == 4
    picture(page, "03-form-errors", device=device)
    assert_accessible(page)

    sign_up(page, service, email, company)
    expect(page.locator("#email")).to_have_text(email)
    expect(page.get_by_role("status")).to_contain_text("seconds")
    picture(page, "04-sent", device=device)
    assert_accessible(page)
    open_mail(page, service, email)
    page.evaluate("document.querySelector('iframe').remove()")  # nothing runs in it, axe neither
    assert_accessible(page)
    page.goto(f"{service}/dev/mail")
    picture(page, "05-mailbox", device=device)
    assert_accessible(page)
    page = open_link(page, service, email, "Confirm")
    assert "code" not in page.url
    picture(page, "07-confirm", device=device)
    assert_accessible(page)

    confirm(page)
    expect(page.locator(".plan .price")).to_contain_text(["Free", "€49 a month", "€199.50 a month"])
    picture(page, "08-plan", device=device)
    assert_accessible(page)
    choose(page, "Standard")
    key = page.locator("#key")
    expect(key).to_have_value(f"{device}engines"[:10])
    expect(page.locator(".verdict")).to_contain_text("is free")
    expect(page.locator(".domains li")).to_have_text([f"{device}.example"])
    key.fill("seat!")
    expect(page.locator(".verdict")).to_contain_text("lower-case letters")
    page.locator(".chips button").first.click()
    expect(page.locator(".verdict")).to_contain_text("is free")
    key.fill(f"{device.title()}1")
    expect(page.locator(".verdict")).to_have_text(f"{device}1 is free.")
    page.fill("#domain", "https://www.Möre.example/contact")
    page.get_by_role("button", name="Add").click()
    expect(page.locator(".domains li").nth(1)).to_contain_text("xn--mre-sna.example")
    picture(page, "09-workspace", device=device)
    assert_accessible(page)

    page.get_by_role("button", name="Create my workspace").click()
    expect(page.get_by_role("heading", name="Your workspace is being built")).to_be_focused()
    expect(page.locator(".story .open")).to_be_visible()
    picture(page, "10-progress", device=device)
    assert_accessible(page)
    expect(page.get_by_role("heading", name="Your workspace is ready")).to_be_focused()
    expect(page.get_by_role("link", name="Open my workspace")).to_have_attribute("href", f"https://{email[4:]}")
    steps = ["Email address confirmed", "Workspace reserved", "Build started", "Workspace built", "Welcome mail sent"]
    expect(page.locator(".story span")).to_have_text(steps)
    picture(page, "11-ready", device=device)
    assert_accessible(page)
    (tenant,) = staff("GET", f'{service}/tenants?filter={{"where":{{"name":"{company}"}}}}')
    assert (tenant["status"], tenant["domains"]) == (0, [f"{device}.example", "xn--mre-sna.example"])
    assert tenant["key"] == f"{device}1"


def test_the_way_can_be_gone_by_keyboard_alone(service, visit):
    page = visit()
    page.goto(f"{service}/signup")
    for name, value in {"firstName": "Grace", "lastName": "Hopper", "companyName": "Cobol & Co"}.items():
        tab_to(page, f"#{name}")
        page.keyboard.type(value)
    tab_to(page, "#email")
    page.keyboard.type("grace@keyboard.example")
    page.keyboard.press("Enter")
    page.wait_for_url("**/signup/sent")
    page = open_link(page, service, "grace@keyboard.example", "Confirm")
    tab_to(page, "#confirm button")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Choose a plan")).to_be_focused()
    tab_to(page, "[name=plan]")
    page.keyboard.press("Space")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Set up your workspace")).to_be_focused()
    tab_to(page, "#domain")
    page.keyboard.type("cobol.example")
    page.keyboard.press("Enter")
    expect(page.locator(".domains li")).to_contain_text(["keyboard.example", "cobol.example"])
    tab_to(page, "#workspace [type=submit]")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Your workspace is ready")).to_be_focused()


def test_who_leaves_comes_back_to_where_it_was(service, visit):
    email = "ada@returns.example"
    page = visit()
    sign_up(page, service, email)
    resend = page.get_by_role("button", name="Send it again")
    expect(resend).to_be_disabled()
    expect(resend).to_be_enabled()  # once the cool-down is over
    page = open_link(page, service, email, "Confirm")
    link = page.url
    page.reload()  # before the click: the key is still at hand
    confirm(page)
    assert page.evaluate("sessionStorage.getItem('sign-up')").count("key") == 0
    assert page.evaluate("localStorage.length") == 0
    page.reload()
    expect(page.get_by_role("heading", name="Choose a plan")).to_be_visible()
    page.goto(f"{service}/signup")
    page.goto(f"{link}?code=spent")  # the mail's link, in the tab that has the token
    expect(page.get_by_role("heading", name="Choose a plan")).to_be_visible()

    elsewhere = visit()
    elsewhere.goto(f"{link}?code=spent")
    elsewhere.get_by_role("button", name="Confirm my address").click()
    expect(elsewhere.get_by_role("heading", name="This link no longer works")).to_be_visible()
    picture(elsewhere, "12-expired", device="desktop")
    assert_accessible(elsewhere)
    elsewhere.get_by_role("button", name="Send me a new link").click()
    expect(elsewhere.locator("#expired [role=status]")).to_contain_text("A new link is on its way.")
    elsewhere = open_link(elsewhere, service, email, "Continue your sign-up")
    confirm(elsewhere)
    choose(elsewhere, "Basic")
    create(elsewhere)

    # Whoever had the form open in the other tab meanwhile is not lost: the service knows that the tenant stands.
    choose(page, "Premium")
    create(page)


def test_nothing_is_verified_by_following_the_link(service, visit):
    email = "ada@scanner.example"
    page = visit()
    sign_up(page, service, email)
    page = open_link(page, service, email, "Confirm")
    for _ in range(2):
        page.reload()
        page.wait_for_load_state("networkidle")
    assert staff("GET", f'{service}/leads?filter={{"where":{{"email":"{email}"}}}}')[0]["isValidated"] is False
    confirm(page)
    assert staff("GET", f'{service}/leads?filter={{"where":{{"email":"{email}"}}}}')[0]["isValidated"] is True


def test_german_is_complete_and_is_the_language_of_the_mails_too(service, visit):
    page = visit(locale="de-AT")
    page.goto(f"{service}/signup")
    expect(page.get_by_role("heading")).to_have_text("Beginnen Sie mit Tenantry")
    assert page.locator("html").get_attribute("lang") == "de"
    page.get_by_role("link", name="English").click()
    page.goto(f"{service}/signup")  # the choice is remembered
    expect(page.get_by_role("heading")).to_have_text("Get started with Tenantry")

    page = visit(locale="en-GB")  # where only the choice says German
    page.goto(f"{service}/signup")
    page.get_by_role("link", name="Deutsch").click()
    page.get_by_role("button", name="Registrieren").click()
    expect(page.locator("#email-error")).to_have_text("Bitte füllen Sie dieses Feld aus.")
    picture(page, "13-form-german", device="desktop")
    fill_in(page, service, "ada@wien.example", company="Werkstätten GmbH")
    page.click("button[type=submit]")
    page.wait_for_url("**/signup/sent")
    page = open_link(page, service, "ada@wien.example", "Bestätigen Sie")
    page.get_by_role("button", name="Adresse bestätigen").click()
    page.get_by_role("radio", name="Standard").check()
    page.get_by_role("button", name="Weiter").click()
    expect(page.locator("#key")).to_have_value("werkstatte")
    picture(page, "14-workspace-german", device="desktop")
    page.get_by_role("button", name="Arbeitsbereich anlegen").click()
    expect(page.get_by_role("heading", name="Ihr Arbeitsbereich ist bereit")).to_be_visible()
    page.goto(f"{service}/dev/mail")
    expect(page.locator(".mails strong").first).to_have_text("Werkstätten GmbH ist bereit")


@pytest.mark.parametrize(
    "path", ["/", "/signup", "/signup/sent", "/signup/verify/7c1f3b52-9a41-4f3e-8a55-0d8f1f6f2a10"]
)
def test_a_page_is_light_and_stands_still(service, visit, path):
    page = visit("phone")
    requests = []
    page.on("requestfinished", lambda request: requests.append(request))
    page.goto(f"{service}{path}", wait_until="networkidle")
    sizes = [request.sizes() for request in requests]  # asked for here: the browser answers it after the event
    assert 2000 < sum(size["responseBodySize"] + size["responseHeadersSize"] for size in sizes) < PAGE_BYTES
    assert page.evaluate("window.layoutShift") == 0
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_page_fits_a_phone_whatever_its_plans_and_its_service_are_called(service, visit):
    page, long = visit("phone"), "W" * 100
    sign_up(page, service, "ada@long.example", company=long)
    page = open_link(page, service, "ada@long.example", "Confirm")
    plan = {"id": "p", "name": long, "price": 99999.99, "currencyCode": "EUR", "billingCycle": "QUARTERLY"}
    plans = [{**plan, "description": long, "features": [long], "trialDays": 365}]
    page.route("**/plans", lambda route: route.fulfill(json=plans))
    confirm(page)
    page.evaluate("document.querySelector('.brand').append('W'.repeat(40))")
    picture(page, "17-long-names", device="phone")
    assert page.evaluate("document.documentElement.scrollWidth <= screen.width")
    assert page.evaluate("document.querySelector('.brand').clientWidth > screen.width * .8")  # it has a line of its own


@pytest.mark.parametrize("path", ["/signup", "/signup/sent", "/signup/verify/7c1f3b52-9a41-4f3e-8a55-0d8f1f6f2a10"])
def test_without_scripts_a_page_says_so_and_nothing_else(service, visit, path):
    page = visit("phone", java_script_enabled=False)
    page.goto(f"{service}{path}")
    expect(page.locator("noscript p")).to_be_visible()
    expect(page.get_by_role("button")).to_have_count(0)


def test_every_field_has_a_label_a_place_for_its_error_and_says_what_completes_it(service, visit):
    page = visit()
    page.goto(f"{service}/signup")
    for name, completes in {
        "firstName": "given-name", "lastName": "family-name", "companyName": "organization", "email": "email",
    }.items():  # fmt: skip
        field = page.locator(f"#{name}")
        assert field.get_attribute("autocomplete") == completes
        assert page.locator(f"label[for={name}]").is_visible()
        assert f"{name}-error" in field.get_attribute("aria-describedby")


@pytest.mark.parametrize(
    ("path", "words"),
    [("/explorer", "/leads/{id}/verify"), ("/redoc", "Search"), ("/admin/login/", "Username")],
)
def test_pages_of_packages_work_under_their_policy(service, visit, path, words):
    page = visit()
    page.goto(f"{service}{path}", wait_until="networkidle")
    found = page.get_by_text(words).or_(page.get_by_placeholder(words)).first
    expect(found).to_be_visible(timeout=PATIENCE)
    # Redoc would show its maker's logo, from a server of theirs.
    visit.faults[:] = [fault for fault in visit.faults if "https://cdn.redoc.ly/redoc/logo-mini.svg" not in fault]
