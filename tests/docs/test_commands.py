"""Every command line of a page runs, and prints what the page shows below it."""

import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lotus_performance.cli import main
from real_server import await_ready, await_true, free_port, start_server

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "runbook").rglob("*.md")), *sorted((ROOT / "examples").rglob("*.md"))]

BLOCK = re.compile(r"^```sh\n(?P<commands>.*?)^```$(?:\n\n```\n(?P<output>.*?)^```$)?", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"(?:^|&& )lotus-performance ([^\n&|#]+)", re.MULTILINE)
RUNNING = ("serve", "worker")
"""Commands that run until they are stopped."""

SHOWN = [
    pytest.param(command.strip(), match["output"] or "", id=f"{page.relative_to(ROOT)}: {command.strip()}")
    for page in PAGES
    for match in BLOCK.finditer(page.read_text())
    for command in COMMAND.findall(match["commands"])
]
ENDING, STAYING = (
    [each for each in SHOWN if (each.values[0].split()[0] in RUNNING) == stays] for stays in (False, True)
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty folder of data, and stand where the pages stand."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    assert main(["migrate"]) == 0
    return tmp_path


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(("command", "output"), ENDING)
def test_command_that_a_page_shows_prints_what_the_page_shows(
    capsys: pytest.CaptureFixture[str], command: str, output: str
) -> None:
    assert main(shlex.split(command)) == 0
    printed, complaints = capsys.readouterr()
    assert complaints == ""
    assert not output or printed == output


@pytest.mark.parametrize(("command", "output"), STAYING)
def test_command_that_stays_starts_and_stops(folder: Path, command: str, output: str) -> None:
    name, *options = shlex.split(command)
    log = folder / "log"
    if name == "serve":
        server = start_server(log, *options, PORT=str(free_port()))
        try:
            await_ready(server)
            assert server.stop() == 0
        finally:
            server.kill()
        return
    with log.open("wb") as stderr:
        worker = subprocess.Popen([sys.executable, "-m", "lotus_performance.cli", name, *options], stderr=stderr)  # noqa: S603
    try:
        # It has its handlers of signals when SIGTERM is caught (Linux tells by process).
        await_true(lambda: catches_sigterm(worker.pid), 30.0)
        worker.terminate()
        assert worker.wait(30.0) == 0
    finally:
        worker.kill()


def catches_sigterm(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    caught = re.search(r"^SigCgt:\s*([0-9a-f]+)$", status, re.MULTILINE)
    return caught is not None and bool(int(caught[1], 16) >> (signal.SIGTERM - 1) & 1)


def test_every_command_is_shown() -> None:
    assert {"twr", "mwr", "contribution", "attribution", "openapi", "serve", "worker", "migrate", "lineage"} <= {
        each.values[0].split()[0] for each in SHOWN
    }
