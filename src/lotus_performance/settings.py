"""Settings: the environment, read once into one frozen value, all faults told at once."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

from environs import Env, EnvValidationError
from marshmallow import ValidationError
from marshmallow.validate import Length, OneOf, Range

from lotus_performance.schemas.limits import MEBIBYTE, Limits

LINEAGE_MODES = ("async", "sync", "off")
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
OWN_PREFIX = "LOTUS_"
CONTROL_GROUP = Path("/sys/fs/cgroup")


class SettingsError(ValueError):
    """The environment holds settings that cannot be used; the message names all of them."""


@dataclass(frozen=True)
class Settings:
    """Every setting of the service; ``runbook/deploy.md`` describes each.

    One made by hand keeps nothing; the environment's default of ``LINEAGE_MODE`` is async.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    log_level: str = "INFO"
    max_body_bytes: int = Limits.max_body_bytes
    max_rows: int = Limits.max_rows
    max_positions: int = Limits.max_positions
    max_periods: int = Limits.max_periods
    max_errors: int = Limits.max_errors
    drain_seconds: float = 1.0
    data_dir: Path = Path("data")
    database_url: str = ""
    lineage_path: Path | None = None
    lineage_mode: str = "off"
    core_url: str = ""
    core_timeout_seconds: float = 5.0
    core_max_retries: int = 2
    cap_twr: bool = True
    cap_mwr: bool = True
    cap_contribution: bool = True
    cap_attribution: bool = True
    mode_stateless: bool = True
    mode_stateful: bool = True

    @property
    def database(self) -> str | Path:
        """URL of the database, by default an SQLite file in the data folder."""
        return self.database_url or self.data_dir / "lotus.db"

    @property
    def artifacts(self) -> Path:
        """Folder of the artifacts, by default one in the data folder."""
        return (self.lineage_path or self.data_dir / "lineage").absolute()


VARIABLES = {
    "host": "HOST",
    "port": "PORT",
    "workers": "WEB_CONCURRENCY",
    "log_level": "LOG_LEVEL",
    "max_body_bytes": "MAX_BODY_BYTES",
    "max_rows": "LOTUS_MAX_ROWS",
    "max_positions": "LOTUS_MAX_POSITIONS",
    "max_periods": "LOTUS_MAX_PERIODS",
    "max_errors": "LOTUS_MAX_ERRORS",
    "drain_seconds": "LOTUS_DRAIN_SECONDS",
    "data_dir": "DATA_DIR",
    "database_url": "DATABASE_URL",
    "lineage_path": "LINEAGE_STORAGE_PATH",
    "lineage_mode": "LINEAGE_MODE",
    "core_url": "CORE_QUERY_BASE_URL",
    "core_timeout_seconds": "CORE_TIMEOUT_SECONDS",
    "core_max_retries": "CORE_MAX_RETRIES",
    "cap_twr": "PA_CAP_TWR_ENABLED",
    "cap_mwr": "PA_CAP_MWR_ENABLED",
    "cap_contribution": "PA_CAP_CONTRIBUTION_ENABLED",
    "cap_attribution": "PA_CAP_ATTRIBUTION_ENABLED",
    "mode_stateless": "PLATFORM_INPUT_MODE_STATELESS_ENABLED",
    "mode_stateful": "PLATFORM_INPUT_MODE_STATEFUL_ENABLED",
}
"""Environment variable of each setting."""


def available_cores() -> int:
    """Return the number of cores that this process may use: those of its affinity, or of its container's quota."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota, period = (control_group("cpu.max") or "max 1").split()
    return cores if quota == "max" else max(1, min(cores, round(int(quota) / int(period))))


def control_group(name: str) -> str | None:
    """Return a limit of the container, None where there is none."""
    try:
        return (CONTROL_GROUP / name).read_text().strip()
    except OSError:
        return None


def server_threads(workers: int) -> int:
    """Return the number of threads of a worker: fewer where a container limits them.

    A container's limit of processes counts threads: a worker that cannot start one dies with all its requests.
    """
    most = control_group("pids.max") or "max"
    return 128 if most == "max" else max(4, min(128, (int(most) - 16) // workers - 4))


def _refuse_other_than_base_url(text: str) -> None:
    if not text:
        return
    try:
        parts = urlsplit(text)
        is_fine = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_fine = False
    if not is_fine or parts.username or parts.password or parts.query or parts.fragment:
        raise ValidationError("Must be like http://host:port, without user, query and fragment.")


def _path(text: str) -> Path | None:
    return Path(text) if text else None


def read_settings() -> Settings:
    """Return the settings of this process.

    Raises
    ------
    SettingsError
        Values are out of their bounds, or variables begin with ``LOTUS_`` and are no setting.
    """
    env = Env(eager=False)
    defaults = Settings(workers=available_cores())

    def whole(name: str, low: int, high: int) -> int:
        value: int = env.int(VARIABLES[name], getattr(defaults, name), validate=Range(low, high))
        return value

    def switch(name: str) -> bool:
        value: bool = env.bool(VARIABLES[name], getattr(defaults, name))
        return value

    settings = Settings(
        host=env.str("HOST", defaults.host, validate=Length(1)),
        port=whole("port", 0, 65_535),
        workers=whole("workers", 1, 512),
        log_level=env.str("LOG_LEVEL", defaults.log_level, validate=OneOf(LOG_LEVELS)),
        max_body_bytes=whole("max_body_bytes", 1024, 1024 * MEBIBYTE),
        max_rows=whole("max_rows", 1, 10_000_000),
        max_positions=whole("max_positions", 1, 1_000_000),
        max_periods=whole("max_periods", 1, 1000),
        max_errors=whole("max_errors", 1, 1000),
        drain_seconds=env.float(VARIABLES["drain_seconds"], defaults.drain_seconds, validate=Range(0, 60)),
        data_dir=Path(env.str("DATA_DIR", str(defaults.data_dir), validate=Length(1))),
        database_url=env.str("DATABASE_URL", ""),
        lineage_path=_path(env.str("LINEAGE_STORAGE_PATH", "")),
        lineage_mode=env.str("LINEAGE_MODE", LINEAGE_MODES[0], validate=OneOf(LINEAGE_MODES)),
        core_url=env.str("CORE_QUERY_BASE_URL", "", validate=_refuse_other_than_base_url),
        core_timeout_seconds=env.float("CORE_TIMEOUT_SECONDS", defaults.core_timeout_seconds, validate=Range(0.1, 30)),
        core_max_retries=whole("core_max_retries", 0, 5),
        cap_twr=switch("cap_twr"),
        cap_mwr=switch("cap_mwr"),
        cap_contribution=switch("cap_contribution"),
        cap_attribution=switch("cap_attribution"),
        mode_stateless=switch("mode_stateless"),
        mode_stateful=switch("mode_stateful"),
    )
    faults = [
        f"{name} is not a setting; settings are {', '.join(VARIABLES.values())}"
        for name in sorted(os.environ)
        if name.startswith(OWN_PREFIX) and name not in VARIABLES.values()
    ]
    try:
        env.seal()
    except EnvValidationError as error:
        messages = cast(Mapping[str, list[str]], error.error_messages)
        faults += [f"{name}: {' '.join(texts)}" for name, texts in messages.items()]
    if faults:
        raise SettingsError("Settings that cannot be used: " + "; ".join(faults))
    return settings
