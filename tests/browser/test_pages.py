"""The pages in a real browser, against the real server: their examples run, and nothing comes from another host.

The browser is the machine's: `CHROMIUM` names it, else Debian's is taken. Without one these tests fail.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect, sync_playwright

from real_server import Server, await_true, start_server, status_of

CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
PREFIX = "/analytics"
"""Where the service is mounted: an address that forgets it leads nowhere."""

PAGES = ["/", "/docs", "/docs/conventions", "/docs/problems"]
OWN_PAGES = [path for path in PAGES if path != "/docs"]
NARROW = {"width": 360, "height": 740}
LEAST_CONTRAST = 4.5
"""WCAG 2.2, 1.4.3: of text in usual sizes to its background."""

WORKING = """\
2012-12-26 -3,890.91 1,000,000.00 -0.389091 0.996109 -0.389091
2012-12-27 -1,492.09 996,109.09 -0.149792 0.998502 -0.538300
2012-12-28 -13,659.03 994,617.00 -1.373295 0.986267 -1.904203
2012-12-31 17,568.97 980,957.97 1.791001 1.017910 -0.147306
2013-01-02 20,264.80 1,008,526.94 2.009346 1.020093 1.859081"""

CONTRASTS = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const luminance = (color) => {
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    const parts = [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map((part) => part / 255);
    const [r, g, b] = parts.map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const paper = (element) => {
    const color = getComputedStyle(element).backgroundColor;
    return color === "rgba(0, 0, 0, 0)" ? paper(element.parentElement) : color;
  };
  const isText = (node) => node.nodeType === Node.TEXT_NODE && node.data.trim();
  const isRead = (element) => element.checkVisibility() && (element.value || [...element.childNodes].some(isText));
  return [...document.body.querySelectorAll("*")].filter(isRead).map((element) => {
    const [dark, light] = [getComputedStyle(element).color, paper(element)].map(luminance).sort((a, b) => a - b);
    return [(light + 0.05) / (dark + 0.05), element.outerHTML.slice(0, 80)];
  });
}"""


class Watched:
    """A page whose every request and complaint is kept."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.complaints: list[str] = []
        self.addresses: list[str] = []
        page.on("request", self._request)
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def open(self, path: str) -> Page:
        """Open a page of the service."""
        self.page.goto(f"{self.url}{path}")
        return self.page

    def _request(self, request: Request) -> None:
        self.addresses.append(request.url)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = start_server(tmp_path_factory.mktemp("server") / "log", SCRIPT_NAME=PREFIX)
    try:
        await_true(lambda: status_of(f"{server.url}{PREFIX}/health/ready") == 200, 30)
        yield server
    finally:
        server.kill()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    assert CHROMIUM.is_file(), f"{CHROMIUM} is no browser: install chromium, or set CHROMIUM to the path of one."
    # Chromium refuses to run as root in its sandbox.
    options = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        yield browser
        browser.close()


@pytest.fixture
def scheme() -> str:
    """Return the colour scheme; tests that are about colours override it."""
    return "light"


@pytest.fixture
def watched(browser: Browser, server: Server, scheme: str) -> Iterator[Watched]:
    """Yield a page; what it asked of another host, or complained of, fails the test."""
    with browser.new_context(color_scheme=scheme) as context:
        context.set_default_timeout(10_000)
        watched = Watched(context.new_page(), f"{server.url}{PREFIX}")
        yield watched
    hosts = {urlsplit(address).netloc for address in watched.addresses if not address.startswith("data:")}
    assert hosts == {urlsplit(server.url).netloc}
    assert watched.complaints == []


@pytest.mark.parametrize("path", PAGES)
def test_page_opens_and_does_not_scroll_sideways_on_a_phone(watched: Watched, path: str) -> None:
    watched.page.set_viewport_size(NARROW)
    page = watched.open(path)
    page.wait_for_load_state("networkidle")
    expect(page.get_by_role("navigation").get_by_role("link")).to_have_count(4)
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", OWN_PAGES)
def test_every_text_stands_out_from_its_background(watched: Watched, path: str) -> None:
    page = watched.open(path)
    if path == "/":
        page.get_by_role("button", name="Run").click()
        expect(page.locator("#answer table")).to_be_visible()
    contrasts = page.evaluate(CONTRASTS)
    assert len(contrasts) > 40
    assert [contrast for contrast in contrasts if contrast[0] < LEAST_CONTRAST] == []


def test_landing_page_says_how_the_service_is(watched: Watched) -> None:
    expect(watched.open("/").locator("#health")).to_have_text("ready")


def test_example_of_the_landing_page_shows_its_working_day_by_day(watched: Watched) -> None:
    page = watched.open("/")
    page.get_by_label("end_mv of 2013-01-02").press("Enter")
    expect(page.locator("#headline")).to_have_text("The five days return 1.859081 %.")
    lines = [re.sub(r"\s+", " ", line) for line in page.locator("#answer tbody tr").all_inner_texts()]
    assert lines == WORKING.splitlines()


def test_a_changed_value_is_the_one_that_is_calculated_with(watched: Watched) -> None:
    page = watched.open("/")
    # 109.09 less than at the end of the day before: the growth 1.01859081 becomes 996,109.09 / 996,000 times as much.
    page.get_by_label("begin_mv of 2012-12-27").fill("996000")
    page.get_by_role("button", name="Run").click()
    expect(page.locator("#headline")).to_have_text("The five days return 1.870237 %.")
    expect(page.locator("#answer")).to_contain_text("discontinuity")
    page.get_by_role("button", name="Reset").click()
    expect(page.get_by_label("begin_mv of 2012-12-27")).to_have_value("996109.09")
    expect(page.locator("#answer")).to_be_empty()


def test_a_wrong_row_is_named_and_marked(watched: Watched) -> None:
    page = watched.open("/")
    page.get_by_label("end_mv of 2012-12-28").fill("980,957")
    page.get_by_role("button", name="Run").click()
    expect(page.locator("#answer li")).to_have_text(
        'Row 3 (2012-12-28), end_mv: must be a number, without quotes; sent was "980,957"'
    )
    expect(page.get_by_label("end_mv of 2012-12-28")).to_have_attribute("aria-invalid", "true")
    page.get_by_role("link", name="What validation_failed means").click()
    expect(page.locator("section:target h2")).to_have_text("Invalid input")
    for text in ("1e999", "0x10", "Infinity", ""):
        page = watched.open("/")
        page.get_by_label("end_mv of 2012-12-28").fill(text)
        page.get_by_role("button", name="Run").click()
        expect(page.locator("#answer li")).to_contain_text(f'sent was "{text}"')
    # The browser itself tells of every answer that is no success.
    assert [text for text in watched.complaints if "status of 422" not in text] == []
    watched.complaints.clear()


def test_example_of_the_interactive_page_runs(watched: Watched) -> None:
    page = watched.open("/docs")
    operation = page.locator("#operations-performance-post_twr")
    operation.get_by_role("button").first.click()
    operation.get_by_role("button", name="Execute").click()
    answer = operation.locator(".live-responses-table tbody .response")
    expect(answer.locator(".response-col_status")).to_contain_text("200")
    expect(answer).to_contain_text("1.859081")


def test_links_of_the_interactive_page_lead_to_our_pages(watched: Watched) -> None:
    links = watched.open("/docs").locator(".info .renderedMarkdown a")
    expect(links).to_have_count(2)
    addresses = links.evaluate_all("links => links.map((link) => link.href)")
    assert addresses == [f"{watched.url}/docs/conventions", f"{watched.url}/docs/problems"]
