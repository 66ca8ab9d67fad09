"""The sign-up pages where something goes wrong: what is refused, fails, or is not there."""

import json
import time

import pytest
import requests
from playwright.sync_api import expect

from config.signing import webhook_signature
from tests.browser import assert_accessible, picture
from tests.challenge import WIDGET, Once
from tests.receiver import SECRET, receiving
from tests.visitors import PLANS, QUICK, choose, confirm, create, fill_in, open_link, sign_up, signing_up, staff
from tests.world import served, wait_until

pytestmark = pytest.mark.xdist_group("signup_trouble")
BLOCKED = 'Object.defineProperty(window, "sessionStorage", { get() { throw new DOMException("", "SecurityError"); } });'


@pytest.fixture(scope="module")
def service(chromium, tmp_path_factory):
    with signing_up(tmp_path_factory.mktemp("var")) as url:
        yield url


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
    create(page)


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


def test_a_browser_that_keeps_nothing_signs_up_all_the_same(service, visit):
    email = "ada@blocked.example"
    page = visit()
    page.context.add_init_script(BLOCKED)
    sign_up(page, service, email)
    page = open_link(page, service, email, "Confirm")
    confirm(page)
    choose(page, "Basic")
    create(page)


def test_a_reload_during_an_outage_costs_nobody_the_way(service, visit):
    email = "ada@outage.example"
    page = visit()
    sign_up(page, service, email)
    page = open_link(page, service, email, "Confirm")
    page.route("**/tenants", lambda route: route.abort())
    for _ in range(2):
        page.get_by_role("button", name="Confirm my address").click()
        expect(page.get_by_role("alert")).to_contain_text("Check your connection and try again")
    page.reload()
    expect(page.get_by_role("alert")).to_contain_text("Check your connection and try again")
    page.unroute("**/tenants")
    confirm(page)


def test_a_double_click_asks_for_one_mail(service, visit):
    page = visit()
    sign_up(page, service, "ada@double.example")
    resend = page.get_by_role("button", name="Send it again")
    expect(resend).to_be_enabled()  # once the cool-down is over
    asked = []
    page.on("request", lambda request: request.url.endswith("/resend") and asked.append(request.url))
    resend.dblclick()
    expect(page.get_by_role("status")).to_contain_text("A new link is on its way.")
    assert len(asked) == 1


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
