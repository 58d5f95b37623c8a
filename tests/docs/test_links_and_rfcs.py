"""Links and paths of the pages lead somewhere; the index of RFCs and the RFCs agree."""

import configparser
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md")),
    *sorted((ROOT / "runbook").rglob("*.md")),
    *sorted((ROOT / "examples").rglob("*.md")),
]
RFCS = sorted(path for path in (ROOT / "runbook" / "rfcs").glob("[0-9]*.md") if path.name != "0000-template.md")

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
PATH = re.compile(r"`((?:src|tests|runbook|examples|requirements|\.github|\.ci)/[\w./-]+)(?:::(\w+))?`")
INDEX_ROW = re.compile(r"^\| \[(\d{4})\]\((\S+)\) \| (.+) \| (.+) \| (.+) \|$", re.MULTILINE)
RFC_HEAD = re.compile(r"# RFC-(\d{4}): (.+)\n\n- Status: (.+)\n- Date: (\d{4}-\d{2}-\d{2})\n")

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def prose_of(page: Path) -> str:
    return re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def anchors_of(page: Path) -> set[str]:
    """Return the names that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", prose_of(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}


@each_page
def test_every_link_leads_to_a_file_and_a_heading_of_it(page: Path) -> None:
    for link in LINK.findall(prose_of(page)):
        target, _, anchor = link.partition("#")
        if target.startswith(("https://", "http://")):
            continue
        file = (page.parent / target).resolve() if target else page
        assert file.exists(), link
        assert not anchor or anchor in anchors_of(file), link


@each_page
def test_every_path_and_every_test_that_is_named_exists(page: Path) -> None:
    for path, test in PATH.findall(prose_of(page)):
        assert (ROOT / path).exists(), path
        assert not test or f"def {test}(" in (ROOT / path).read_text(), test


def test_index_lists_exactly_the_rfcs_with_their_number_title_status_and_date() -> None:
    rows = INDEX_ROW.findall((ROOT / "runbook" / "rfcs" / "README.md").read_text())
    expected = []
    for path in RFCS:
        head = RFC_HEAD.match(path.read_text())
        assert head, f"{path.name} does not begin like the template"
        assert path.name.startswith(head[1])
        expected.append((head[1], path.name, head[2], head[3], head[4]))
    assert rows == expected


def test_changelog_has_the_version_of_the_package() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    assert f"## {config['metadata']['version']} " in (ROOT / "CHANGELOG.md").read_text()
