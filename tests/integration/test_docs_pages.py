"""Pages for people: nothing from another host, no inline script, nothing of the query string, every link leads on."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest
from flask.testing import FlaskClient

from lotus_performance.api.docs import ASSETS
from lotus_performance.api.problems import FAULTS, PROBLEMS
from lotus_performance.app import create_app
from lotus_performance.engine.periods import Frequency, Period
from lotus_performance.schemas.responses import UNITS, WARNINGS
from lotus_performance.settings import Settings
from stored import Stored

HTML = {"Accept": "text/html"}
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
PAGES = ["/", "/docs", "/docs/conventions", "/docs/problems"]
POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "connect-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}


class Elements(HTMLParser):
    """Collects what a page consists of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.scripts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        if self.elements and self.elements[-1][0] == "script":
            self.scripts.append(data.strip())

    def addresses(self) -> list[str]:
        names = ("href", "src", "data-url", "data-problems", "action", "srcset")
        return [attributes[name] for _, attributes in self.elements for name in names if name in attributes]


def page(client: FlaskClient, path: str) -> Elements:
    return Elements(client.get(path, headers=HTML).text)


# ---------------------------------------------------------------------- all pages


@pytest.mark.parametrize("path", PAGES)
def test_page_has_a_strict_content_security_policy(client: FlaskClient, path: str) -> None:
    answer = client.get(path, headers=HTML)
    directives = [part.strip().partition(" ") for part in answer.headers["Content-Security-Policy"].split(";")]
    assert {name: sources for name, _, sources in directives} == POLICY
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-cache"
    assert answer.content_type == "text/html; charset=utf-8"


@pytest.mark.parametrize("path", PAGES)
def test_page_names_no_other_host(client: FlaskClient, path: str) -> None:
    text = client.get(path, headers=HTML).text
    assert "//" not in text
    assert all(urlsplit(address).netloc == "" for address in Elements(text).addresses())


@pytest.mark.parametrize("name", ["docs.js", "docs.css", "nav.css", "pages.css", "root.css", "root.js"])
def test_own_asset_names_no_other_host(client: FlaskClient, name: str) -> None:
    with client.get(f"/docs/assets/{name}") as answer:
        assert not re.search(r"https?:|url\(|@import|['\"]//", answer.text)


@pytest.mark.parametrize("path", PAGES)
def test_page_has_no_inline_script_or_style(client: FlaskClient, path: str) -> None:
    elements = page(client, path)
    assert [script for script in elements.scripts if script] == []
    for tag, attributes in elements.elements:
        assert tag not in ("style", "iframe", "object", "embed", "base", "form")
        assert tag != "script" or "src" in attributes
        assert not [name for name in attributes if name.startswith("on") or name == "style"]


@pytest.mark.parametrize("path", PAGES)
def test_every_link_of_a_page_leads_on(client: FlaskClient, path: str) -> None:
    elements = page(client, path)
    anchors = {attributes["id"] for _, attributes in elements.elements if "id" in attributes}
    for address in elements.addresses():
        if address.startswith("#"):
            assert address[1:] in anchors
        else:
            with client.get(urljoin(path, address)) as answer:
                assert answer.status_code == 200, address


@pytest.mark.parametrize("path", PAGES)
def test_nothing_of_the_query_string_is_in_a_page(client: FlaskClient, path: str) -> None:
    query = "?url=https://evil.example/openapi.json&configUrl=//evil.example&name=<script>alert(1)</script>"
    assert client.get(f"{path}{query}", headers=HTML).data == client.get(path, headers=HTML).data


@pytest.mark.parametrize("path", PAGES)
def test_links_of_a_page_keep_the_prefix_under_which_the_service_is_mounted(client: FlaskClient, path: str) -> None:
    text = client.get(path, headers=HTML, base_url="http://localhost/analytics").text
    own = [address for address in Elements(text).addresses() if not address.startswith("#")]
    assert own
    assert all(address.startswith("/analytics/") for address in own)


# ---------------------------------------------------------------------- assets


@pytest.mark.parametrize("name", ASSETS)
def test_asset_is_served_with_its_media_type_and_may_be_kept(client: FlaskClient, name: str) -> None:
    media_types = {"css": "text/css", "js": "text/javascript", "png": "image/png"}
    with client.get(f"/docs/assets/{name}") as answer:
        assert answer.status_code == 200
        assert answer.mimetype == media_types[name.rpartition(".")[2]]
        assert answer.data
        assert answer.cache_control.max_age == 3600
        etag = answer.headers["ETag"]
    with client.get(f"/docs/assets/{name}", headers={"If-None-Match": etag}) as again:
        assert (again.status_code, again.data) == (304, b"")


@pytest.mark.parametrize(
    "name",
    [
        "index.html",
        "swagger-ui.js",
        "oauth2-redirect.html",
        "DOCS.JS",
        "docs.js/",
        "",
        "../docs.py",
        "..%2fdocs.py",
        "%2e%2e/templates/page.html",
        "..\\docs.py",
        "docs.js%00",
    ],
)
def test_another_name_is_no_asset(client: FlaskClient, name: str) -> None:
    answer = client.get(f"/docs/assets/{name}")
    assert (answer.status_code, answer.json["code"]) == (404, "not_found")
    assert answer.content_type == "application/problem+json"


def test_assets_are_those_that_pages_load(client: FlaskClient) -> None:
    loaded = {
        address.removeprefix("/docs/assets/")
        for path in PAGES
        for address in page(client, path).addresses()
        if address.startswith("/docs/assets/")
    }
    assert loaded == set(ASSETS)


# ---------------------------------------------------------------------- the interactive page


def test_address_of_the_document_stands_in_the_page_and_not_in_the_query_string(client: FlaskClient) -> None:
    (target,) = [attributes for _, attributes in page(client, "/docs").elements if attributes.get("id") == "swagger-ui"]
    assert target["data-url"] == "/openapi.json"
    with client.get("/docs/assets/docs.js") as answer:
        assert "url: target.dataset.url," in answer.text
        assert "queryConfigEnabled: false," in answer.text
        assert "validatorUrl: null," in answer.text


# ---------------------------------------------------------------------- the conventions


def rows_of(text: str, section: str) -> list[tuple[str, str]]:
    """Return name and last cell of the rows of a section's tables."""
    (part,) = re.findall(rf'<section id="{section}">(.*?)</section>', text, re.DOTALL)
    return re.findall(r'<th scope="row">(?:<code>)?([^<]+)(?:</code>)?</th>.*<td>(.+?)</td></tr>', part)


def test_conventions_name_every_unit_period_frequency_status_and_warning(client: FlaskClient) -> None:
    text = client.get("/docs/conventions").text
    assert dict(rows_of(text, "units")) == UNITS
    assert [name for name, _ in rows_of(text, "periods")] == [*Period, *Frequency]
    statuses = {str(problem.status) for problem in PROBLEMS.values()} - {"405"}
    assert {name for name, _ in rows_of(text, "errors")} == statuses | WARNINGS.keys()
    assert "`" not in text


@pytest.mark.parametrize(
    ("name", "example"),
    [
        ("QTD", "2025-04-01 to 2025-05-14"),
        ("WTD", "2025-05-12 to 2025-05-14"),
        ("1Y", "2024-05-15 to 2025-05-14"),
        ("5Y", "2022-03-01 to 2025-05-14"),
        ("ROLLING", "2024-11-15 to 2025-05-14"),
        ("weekly", "2025-05-16"),
        ("quarterly", "2025-Q2"),
    ],
)
def test_conventions_have_an_example_of_each_period_and_label(client: FlaskClient, name: str, example: str) -> None:
    assert dict(rows_of(client.get("/docs/conventions").text, "periods"))[name] == example


def test_conventions_have_the_limits_of_the_running_service() -> None:
    settings = Settings(max_body_bytes=3 * 1024 * 1024, max_rows=7000, max_positions=6, max_periods=5, max_errors=9)
    limits = dict(rows_of(create_app(settings).test_client().get("/docs/conventions").text, "limits"))
    assert list(limits.values()) == ["3 MiB", "32 levels", "7,000", "6", "5", "16", "256", "64", "9 and 64 KiB"]


def test_conventions_say_whether_calculations_are_kept(client: FlaskClient, tmp_path: Path) -> None:
    keeping = Stored(Settings(data_dir=tmp_path, lineage_mode="async"))
    try:
        assert "409 <code>calculation_conflict</code>" in keeping.client.get("/docs/conventions").text
    finally:
        keeping.close()
    assert "keeps nothing" in client.get("/docs/conventions").text


# ---------------------------------------------------------------------- the problems


def test_every_problem_is_explained_at_its_anchor(client: FlaskClient) -> None:
    text = client.get("/docs/problems").text
    sections = dict(re.findall(r'<section id="([^"]+)">(.*?)</section>', text, re.DOTALL))
    assert list(sections) == list(PROBLEMS)
    for code, section in sections.items():
        assert f"status {PROBLEMS[code].status}" in section
        assert len(re.findall(r"<dd>.+?</dd>", section, re.DOTALL)) == 2
    assert all(f"<code>{code}</code>" in sections["validation_failed"] for code in FAULTS)
    assert "`" not in text


def test_type_of_a_problem_leads_to_its_explanation(client: FlaskClient) -> None:
    path, _, anchor = client.get("/nope").json["type"].partition("#")
    assert f'id="{anchor}"' in client.get(path).text


# ---------------------------------------------------------------------- what the service is


@pytest.mark.parametrize(
    "accept",
    [
        None,
        "*/*",
        "application/*",
        "application/json",
        "text/html;q=0.5, application/json",
        "text/html, application/json",
        "image/png",
        "no media type",
    ],
)
def test_root_is_json_for_programs(client: FlaskClient, accept: str | None) -> None:
    answer = client.get("/", headers={"Accept": accept} if accept else {})
    assert answer.status_code == 200
    assert answer.content_type == "application/json"
    assert "Accept" in answer.vary
    assert answer.json.keys() == {"message", "service", "version", "docs"}
    assert (answer.json["service"], answer.json["docs"]) == ("lotus-performance", "/docs")


@pytest.mark.parametrize("accept", [BROWSER, "text/html", "text/*", "application/json;q=0.9, text/html"])
def test_root_is_a_page_for_browsers(client: FlaskClient, accept: str) -> None:
    answer = client.get("/", headers={"Accept": accept})
    assert answer.status_code == 200
    assert answer.mimetype == "text/html"
    assert "Accept" in answer.vary
    version = client.get("/").json["version"]
    assert version in answer.text
    links = Elements(answer.text).addresses()
    assert {"/docs", "/docs/conventions", "/docs/problems", "/openapi.json", "/health", "/metrics"} <= set(links)


@pytest.mark.parametrize("prefix", ["", "/analytics"])
def test_example_of_the_page_is_posted_under_the_prefix(client: FlaskClient, prefix: str) -> None:
    elements = Elements(client.get("/", headers=HTML, base_url=f"http://localhost{prefix}").text).elements
    (example,) = [attributes for _, attributes in elements if attributes.get("id") == "example"]
    assert example["data-post"] == f"{prefix}/performance/twr"
    answer = client.post("/performance/twr", json=json.loads(example["data-request"]))
    assert answer.json["results_by_period"]["ITD"]["portfolio_return"]["base"] == 1.859081
