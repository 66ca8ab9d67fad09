"""The sign-up pages in Chromium, against a service of their own with the development mailbox."""

import json
import time
from datetime import timedelta

import pytest
import requests
from playwright.sync_api import TimeoutError, expect

from config.signing import webhook_signature
from identity.permissions import ALL_CODES
from identity.tokens import mint
from tests.browser import DEVICES, PATIENCE, assert_accessible, picture, tab_to
from tests.challenge import WIDGET, Once
from tests.receiver import SECRET, receiving
from tests.world import served, wait_until

pytestmark = pytest.mark.xdist_group("browser")
PAGE_BYTES = 60_000
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


@pytest.fixture(scope="module")
def service(chromium, tmp_path_factory):
    """The address of a service with the demo provisioner and three plans."""
    with served(VAR_DIR=str(tmp_path_factory.mktemp("var")), **QUICK) as url:
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
    elsewhere.get_by_role("button", name="Create my workspace").click()
    expect(elsewhere.get_by_role("heading", name="Your workspace is ready")).to_be_visible()

    # Whoever had the form open in the other tab meanwhile is not lost: the service knows that the tenant stands.
    choose(page, "Premium")
    page.get_by_role("button", name="Create my workspace").click()
    expect(page.get_by_role("heading", name="Your workspace is ready")).to_be_visible()


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


def test_a_public_mail_domain_is_neither_proposed_nor_taken(service, visit):
    page = visit()
    sign_up(page, service, "ada.lovelace@gmail.com")
    page = open_link(page, service, "ada.lovelace@gmail.com", "Confirm")
    confirm(page)
    choose(page, "Basic")
    expect(page.locator(".domains li")).to_have_count(0)
    page.fill("#domain", "gmail.com")
    page.get_by_role("button", name="Create my workspace").click()
    expect(page.locator("#domain-error")).to_contain_text("cannot be yours")
    page.get_by_role("button", name="Remove gmail.com").click()
    page.get_by_role("button", name="Create my workspace").click()
    expect(page.get_by_role("heading", name="Your workspace is ready")).to_be_visible()


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


def test_a_form_that_is_filled_where_nobody_sees_is_refused(service, visit):
    page = visit()
    fill_in(page, service, "bot@trap.example")
    page.evaluate("document.querySelector('#fax').value = '555'")
    page.click("button[type=submit]")
    expect(page.get_by_role("alert")).to_contain_text("A field was filled that nobody sees")
    assert staff("GET", f'{service}/leads/count?where={{"email":"bot@trap.example"}}') == {"count": 0}


def test_a_form_that_is_refused_can_be_mended_and_sent_again_behind_a_challenge(visit, tmp_path):
    """A provider takes an answer once, so the widget has to give another."""
    doorman = {"CHALLENGE_PROVIDER": "tests.challenge.Once", "CHALLENGE_SITE_KEY": "s", "CHALLENGE_SECRET": "s"}
    with served(VAR_DIR=str(tmp_path), WORK_EMAIL_REQUIRED="true", **QUICK, **doorman) as url:
        page = visit()
        page.route(Once.script, lambda route: route.fulfill(body=WIDGET, content_type="text/javascript"))
        fill_in(page, url, "ada@gmail.com")
        page.click("button[type=submit]")
        expect(page.locator("#email-error")).to_have_text("Sign up with the address of your company.")
        page.fill("#email", "ada@challenge.example")
        page.click("button[type=submit]")
        page.wait_for_url("**/signup/sent")
        page.context.close()


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


def report(url: str, event: dict, *, status: int) -> None:
    """Call back as a provisioner does."""
    data = {"status": status, "resources": [], "appPlaneUrl": "https://app.watch.example/start" if status else ""}
    body = json.dumps({"initiatorId": event["tenant"]["id"], "type": 0, "data": data}).encode()
    moment = str(int(time.time() * 1000))
    signature = webhook_signature(secret=event["secret"], body=body, context=event["context"], timestamp=moment)
    headers = {"x-signature": signature, "x-timestamp": moment, "content-type": "application/json"}
    assert requests.post(f"{url}/webhook", body, headers=headers, timeout=10).status_code == 204


def test_a_build_that_fails_is_retried_by_staff_while_the_page_watches(visit, tmp_path):
    with receiving() as bus:
        variables = {**QUICK, "EVENT_CONNECTOR": "http", "EVENT_HTTP_URL": bus.url, "EVENT_HTTP_SECRET": SECRET}
        variables |= {"APP_NAME": "Südwind & Söhne", "APP_COLOR": "#ffd54a", "SUPPORT_EMAIL": "help@watch.example"}
        variables |= {"TERMS_URL": "https://watch.example/terms", "PRIVACY_URL": "https://watch.example/privacy"}
        with served(VAR_DIR=str(tmp_path), **variables) as url:
            plan = staff("POST", f"{url}/plans", {"currencyCode": "EUR", **PLANS[1]})

            def builds() -> list[dict]:
                return [event for event in bus.events if event["type"] == "TENANT_PROVISIONING"]

            page = visit("phone")
            sign_up(page, url, "ada@watch.example")
            page = open_link(page, url, "ada@watch.example", "Confirm")
            confirm(page)
            choose(page, "Standard")
            picture(page, "15-branded-workspace", device="phone")
            assert_accessible(page)
            page.get_by_role("button", name="Create my workspace").click()
            wait_until(lambda: len(builds()) == 1)
            report(url, builds()[0], status=0)
            expect(page.get_by_role("heading", name="The build has failed for now")).to_be_visible()
            expect(page.get_by_role("alert").filter(visible=True)).to_contain_text("This page goes on watching")
            expect(page.locator("#progress").get_by_role("link", name="help@watch.example")).to_be_visible()
            picture(page, "16-failed", device="phone")
            assert_accessible(page)

            staff("POST", f"{url}/tenants/{builds()[0]['tenant']['id']}/provision", {"planId": plan["id"]})
            expect(page.get_by_role("heading", name="Your workspace is being built")).to_be_visible()
            wait_until(lambda: len(builds()) == 2)
            report(url, builds()[1], status=0)
            expect(page.get_by_role("button", name="Try again now")).to_be_visible()
            page.get_by_role("button", name="Try again now").click()
            wait_until(lambda: len(builds()) == 3)
            report(url, builds()[2], status=1)
            expect(page.get_by_role("heading", name="Your workspace is ready")).to_be_visible()
            link = page.get_by_role("link", name="Open my workspace")
            expect(link).to_have_attribute("href", "https://app.watch.example/start")
            assert page.locator(".story .bad").count() == 2
            expect(page.locator(".story span").nth(4)).to_have_text("Build started again")
            page.context.close()  # a service that ends waits for connections that are kept open
