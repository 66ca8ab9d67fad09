"""Debian's Chromium for the tests of pages. A page is strict: an error of its scripts, a message of the console
(but for Chromium's advice) or a breach of the Content-Security-Policy fails the test.

Playwright's synchronous interface runs an event loop in the test's thread, where Django refuses to touch the database:
let the pages come from a service of its own (`tests.world.served`).
"""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

BINARY = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
DEVICES = {
    "desktop": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"},
    "phone": {
        "viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True, "color_scheme": "dark",
    },
}  # fmt: skip
AXE = Axe().axe_script
ADVICE = ("verbose", "info")
"""What Chromium says of itself, such as that a field with autofocus has the focus already, as Django gives it too."""
GRAVE = ("serious", "critical")
PATIENCE = 20_000  # milliseconds
PICTURES = os.environ.get("SCREENSHOTS")
NEXT_FRAME = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
SHIFTS = """
    window.layoutShift = 0;
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.layoutShift += entry.value;
    }).observe({ type: "layout-shift", buffered: true });
"""
Visit = Callable[..., Page]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    if BINARY is None:
        pytest.skip("NO PAGE IS TESTED: Chromium is not installed (Debian: apt-get install chromium).")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BINARY, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium) -> Iterator[Visit]:
    """`visit(device, **options of a context)`: an empty page of somebody new, strict as the module says."""
    contexts, faults = [], []

    def strict(page: Page) -> None:
        page.on("pageerror", lambda error: faults.append(f"{page.url}: {error}"))
        page.on("console", lambda said: said.type not in ADVICE and faults.append(f"{page.url}: {said.text}"))
        page.on("response", lambda response: response.status >= 500 and faults.append(f"{response.url}: a 5xx"))

    def make(device: str = "desktop", **options) -> Page:
        context = chromium.new_context(**{"locale": "en-GB", **DEVICES[device], **options})
        context.set_default_timeout(PATIENCE)
        context.add_init_script(SHIFTS)
        context.on("page", strict)
        contexts.append(context)
        return context.new_page()

    make.faults = faults
    yield make
    for context in contexts:
        context.close()
    # Chromium reports every answer of 4xx so, whether the script expects it or not.
    grave = [fault for fault in faults if "Failed to load resource" not in fault]
    assert not grave, grave


def picture(page: Page, name: str, *, device: str) -> None:
    """Where SCREENSHOTS names a folder: the page in light and dark as <name>-<device>-<scheme>.png.

    The window is as high as the page, so that what clings to its lower edge covers nothing.
    """
    if PICTURES:
        Path(PICTURES).mkdir(parents=True, exist_ok=True)
        window = page.viewport_size
        page.wait_for_load_state("networkidle")
        height = page.evaluate("Math.max(window.innerHeight, document.documentElement.scrollHeight)")
        page.set_viewport_size({**window, "height": height})
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            page.evaluate(NEXT_FRAME)  # scripts are told of it with the frame after this one
            page.wait_for_load_state("networkidle")
            page.screenshot(path=f"{PICTURES}/{name}-{device}-{scheme}.png", animations="disabled")
        page.emulate_media(color_scheme=DEVICES[device]["color_scheme"])
        page.set_viewport_size(window)


def assert_accessible(page: Page, *, but_for: str = "") -> None:
    """No violation that axe-core calls serious or critical; `but_for` selects a part that is looked at elsewhere.

    Whoever looks at many pages adds AXE to them as an init script, which is quicker.
    """
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE)
    context = {"include": [["html"]], "exclude": [[but_for]] if but_for else []}
    run = "(context) => axe.run(context, { resultTypes: ['violations'] })"
    found = page.evaluate(run, context)["violations"]
    grave = [(each["id"], [node["html"] for node in each["nodes"]]) for each in found if each["impact"] in GRAVE]
    assert not grave, grave


def tab_to(page: Page, selector: str) -> None:
    """Press Tab until what `selector` names has the focus."""
    for _ in range(40):
        if page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{selector} cannot be reached by Tab.")
