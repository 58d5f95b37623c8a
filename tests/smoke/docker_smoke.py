"""Build the image, run it, probe the live container, stop it; torn down whatever happens.

One line a check, exit status 1 at the first that fails (with the container's log). Needs a container engine that the
`docker` command reaches; without one it fails, it never passes by skipping.
"""

import argparse
import json
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import requests

ROOT = Path(__file__).resolve().parents[2]
PORT_INSIDE = 8000
STOP_SECONDS = 30  # longer than the server's own grace period: a kill by the engine is a failure
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
MAX_IMAGE_MB = 450  # base image included
RUNS: dict[str, list[str]] = {
    "plain": [],
    "hardened": [
        "--read-only",
        "--tmpfs=/tmp",
        "--cap-drop=ALL",
        "--security-opt=no-new-privileges",
        "--memory=512m",
        "--pids-limit=128",
    ],
}

# Five days of +1 % compound to 1.01^5 - 1 = 5.101005 %.
FIVE_DAYS_RETURN_PCT = 5.101005
FIVE_DAYS = {
    "portfolio_id": "smoke",
    "performance_start_date": "2025-01-06",
    "report_end_date": "2025-01-10",
    "metric_basis": "NET",
    "analyses": [{"period": "ITD", "frequencies": ["daily"]}],
    "valuation_points": [
        {"day": 1, "perf_date": "2025-01-06", "begin_mv": 100000.0, "end_mv": 101000.0},
        {"day": 2, "perf_date": "2025-01-07", "begin_mv": 101000.0, "end_mv": 102010.0},
        {"day": 3, "perf_date": "2025-01-08", "begin_mv": 102010.0, "end_mv": 103030.1},
        {"day": 4, "perf_date": "2025-01-09", "begin_mv": 103030.1, "end_mv": 104060.401},
        {"day": 5, "perf_date": "2025-01-10", "begin_mv": 104060.401, "end_mv": 105101.00501},
    ],
}


class SmokeError(Exception):
    """A check failed; the message says which fact is wrong."""


def docker(*arguments: str, check: bool = True, timeout: float = 120) -> str:
    """Run one docker command and return its output; in a session of its own, so that Ctrl-C does not cut it short."""
    try:
        done = subprocess.run(
            ["docker", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=timeout,
            start_new_session=True,
        )
    except FileNotFoundError:
        raise SmokeError("there is no docker command") from None
    except subprocess.TimeoutExpired:
        raise SmokeError(f"docker {arguments[0]} took more than {timeout:g} s") from None
    if check and done.returncode:
        raise SmokeError(f"docker {arguments[0]} failed: {done.stdout.strip()}")
    return done.stdout.strip()


def require_engine() -> None:
    """Fail with one line where no container engine answers."""
    try:
        docker("version", "--format", "{{.Server.Version}}", timeout=20)
    except SmokeError as exc:
        raise SmokeError(f"no container engine answers: {' '.join(str(exc).split())}") from None


def expect(actual: object, wanted: object, what: str) -> None:
    """Raise SmokeError unless the two are equal."""
    if actual != wanted:
        raise SmokeError(f"{what} is {actual!r}, expected {wanted!r}")


class Container:
    """One running container and the checks on it."""

    def __init__(self, name: str, image: str, options: list[str], ready_seconds: float) -> None:
        """Start the container on a free loopback port that the engine picks."""
        self.name = name
        self.ready_seconds = ready_seconds
        docker("run", "--detach", "--name", name, "--publish", f"127.0.0.1::{PORT_INSIDE}", *options, image)
        self.session = requests.Session()
        self.session.trust_env = False  # a proxy of the machine has no business between us and the loopback address

    def inspect(self, path: str) -> Any:
        """Return one member of what the engine knows of the container."""
        return json.loads(docker("inspect", "--format", f"{{{{json {path}}}}}", self.name))

    def request(self, method: str, path: str, **options: Any) -> requests.Response:
        """Send one request to the published port."""
        url = f"http://{self.address}{path}"
        try:
            return self.session.request(method, url, timeout=10, **options)
        except requests.RequestException as exc:
            raise SmokeError(f"{method} {path}: {type(exc).__name__}: {exc}") from None

    def becomes_ready(self) -> None:
        """GET /health/ready answers 200 before the deadline."""
        deadline = time.monotonic() + self.ready_seconds
        last = "no answer yet"
        while time.monotonic() < deadline:
            if not self.inspect(".State.Running"):
                raise SmokeError(f"it ended with exit code {self.inspect('.State.ExitCode')}")
            try:
                self.address = docker("port", self.name, str(PORT_INSIDE)).splitlines()[0]
                response = self.request("GET", "/health/ready")
            except SmokeError as exc:
                last = str(exc)
            else:
                last = f"status {response.status_code}"
                if response.status_code == 200:
                    return expect(response.json()["status"], "ready", "status of GET /health/ready")
            time.sleep(0.1)
        raise SmokeError(f"not ready within {self.ready_seconds:g} s: {last}")

    def runs_as_non_root(self) -> None:
        """Process 1 runs under a user id other than 0."""
        status = docker("exec", self.name, "cat", "/proc/1/status")
        uids = next(line.split()[1:] for line in status.splitlines() if line.startswith("Uid:"))
        if "0" in uids:
            raise SmokeError(f"process 1 runs as root: user ids {uids}")

    def has_no_compiler(self) -> None:
        """There is no C compiler in the image."""
        found = docker("exec", self.name, "sh", "-c", "command -v cc gcc clang || true")
        expect(found, "", "compiler in the image")

    def passes_its_health_check(self) -> None:
        """The image's own HEALTHCHECK command succeeds inside the container."""
        kind, *command = self.inspect(".Config.Healthcheck.Test")
        expect(kind, "CMD", "kind of health check")
        docker("exec", self.name, *command)

    def answers_root(self) -> None:
        """GET / names the service and its documentation."""
        response = self.request("GET", "/", headers={"Accept": "application/json"})
        expect(response.status_code, 200, "status of GET /")
        expect(response.json()["service"], "lotus-performance", "service of GET /")
        expect(response.json()["docs"], "/docs", "docs of GET /")

    def answers_docs(self) -> None:
        """GET /docs is an HTML page."""
        response = self.request("GET", "/docs")
        expect(response.status_code, 200, "status of GET /docs")
        expect(response.headers["Content-Type"].split(";")[0], "text/html", "media type of GET /docs")
        if "<html" not in response.text.lower():
            raise SmokeError("GET /docs holds no <html")

    def calculates(self) -> None:
        """POST /performance/twr gives the known return of five days of +1 %."""
        response = self.request("POST", "/performance/twr", json=FIVE_DAYS)
        expect(response.status_code, 200, f"status of POST /performance/twr ({response.text[:300]})")
        actual = response.json()["results_by_period"]["ITD"]["portfolio_return"]["base"]
        expect(actual, FIVE_DAYS_RETURN_PCT, "return of five days of +1 %")

    def refuses_unknown_path(self) -> None:
        """A path that does not exist is a 404 problem document."""
        self.expect_problem(self.request("GET", "/no-such-path"), 404)

    def refuses_invalid_input(self) -> None:
        """A request without its rows is a 422 problem document that names them."""
        body = {name: value for name, value in FIVE_DAYS.items() if name != "valuation_points"}
        problem = self.expect_problem(self.request("POST", "/performance/twr", json=body), 422)
        expect(problem["code"], "validation_failed", "code of the 422")
        expect([error["pointer"] for error in problem["errors"]], ["/valuation_points"], "pointers of the 422")

    def expect_problem(self, response: requests.Response, status: int) -> dict[str, Any]:
        """Return the problem document of an answer, which must be one, of this status and with a code."""
        expect(response.status_code, status, f"status of {response.request.method} {response.request.path_url}")
        expect(response.headers["Content-Type"], "application/problem+json", f"media type of the {status}")
        problem: dict[str, Any] = response.json()
        expect(problem["status"], status, f"status inside the {status}")
        if not problem["code"]:
            raise SmokeError(f"the {status} has no code")
        return problem

    def stops_on_sigterm(self) -> None:
        """SIGTERM ends it by itself, with exit code 0, before the engine would kill it."""
        docker("stop", "--time", str(STOP_SECONDS), self.name, timeout=STOP_SECONDS + 30)
        expect(self.inspect(".State.ExitCode"), 0, "exit code after SIGTERM")


class Report:
    """Counts the checks and prints a line for each."""

    def __init__(self) -> None:
        """Start with nothing passed."""
        self.passed = 0

    def check(self, run: str, check: Callable[[], None]) -> None:
        """Run one check and print its line, which is its docstring."""
        title = f"{run}: {(check.__doc__ or '').splitlines()[0]}"
        start = time.monotonic()
        try:
            check()
        except Exception as exc:  # whatever a broken container makes of an answer is a failed check
            print(f"FAIL  {title}", flush=True)
            raise exc if isinstance(exc, SmokeError) else SmokeError(f"{type(exc).__name__}: {exc}") from exc
        self.passed += 1
        print(f"ok    {title} ({time.monotonic() - start:.1f} s)", flush=True)


def stop(signum: int, frame: FrameType | None) -> None:
    """Turn a signal into an exception, so that the teardown runs."""
    raise SystemExit(128 + signum)


@contextmanager
def torn_down(name: str) -> Iterator[None]:
    """Show the containers' logs when the block fails; remove them and the image at its end, signals or not."""
    failed = True
    try:
        yield
        failed = False
    finally:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        containers = docker("ps", "--all", "--format", "{{.Names}}", "--filter", f"name={name}").split()
        logs = {each: docker("logs", "--tail", "100", each, check=False) for each in containers}
        if containers:
            docker("rm", "--force", "--volumes", *containers)
        if docker("images", "--quiet", name):
            docker("image", "rm", "--force", name)
        for each, log in logs.items() if failed else ():
            print(f"--- log of {each}\n{log}\n---", flush=True)
        print("torn down", flush=True)


def smoke(report: Report, options: argparse.Namespace) -> None:
    """Build the image and check it, once as anybody would run it and once hardened."""
    image = f"lotus-performance-smoke-{uuid.uuid4().hex[:12]}"

    def image_builds() -> None:
        """The image builds."""
        build = ["build", "--force-rm", "--tag", image, "--file", str(options.file), str(options.context)]
        docker(*build, timeout=options.build_seconds)

    def image_is_small() -> None:
        """The image is small."""
        megabytes = int(docker("image", "inspect", "--format", "{{.Size}}", image)) / 1e6
        if megabytes > MAX_IMAGE_MB:
            raise SmokeError(f"the image has {megabytes:.0f} MB, the limit is {MAX_IMAGE_MB} MB")

    with torn_down(image):
        report.check("image", image_builds)
        report.check("image", image_is_small)
        for run, engine_options in RUNS.items():
            container = Container(f"{image}-{run}", image, engine_options, options.ready_seconds)
            for check in (
                container.becomes_ready,
                container.runs_as_non_root,
                container.has_no_compiler,
                container.passes_its_health_check,
                container.answers_root,
                container.answers_docs,
                container.calculates,
                container.refuses_unknown_path,
                container.refuses_invalid_input,
                container.stops_on_sigterm,
            ):
                report.check(run, check)


def main() -> int:
    """Run the smoke test and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--context", type=Path, default=ROOT, help="folder to build (default: the repository)")
    parser.add_argument("--file", type=Path, help="Dockerfile (default: the one in the folder)")
    parser.add_argument("--build-seconds", type=float, default=900, help="time limit of the build (default: 900)")
    parser.add_argument("--ready-seconds", type=float, default=60, help="time until readiness (default: 60)")
    options = parser.parse_args()
    options.file = options.file or options.context / "Dockerfile"
    for number in SIGNALS:
        signal.signal(number, stop)
    report = Report()
    try:
        require_engine()
    except SmokeError as exc:
        print(f"docker-smoke: {exc}", flush=True)
        return 1
    try:
        smoke(report, options)
    except SmokeError as exc:
        print(f"docker-smoke: {exc}\n{report.passed} passed, 1 failed", flush=True)
        return 1
    print(f"{report.passed} passed, 0 failed", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
