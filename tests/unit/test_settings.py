"""Settings are read once, and all faults are told at once."""

import pytest

from lotus_performance.settings import Settings, SettingsError, read_settings, server_threads


def test_settings_have_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WEB_CONCURRENCY", "DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    settings = read_settings()
    assert settings.workers >= 1
    assert settings == Settings(workers=settings.workers, lineage_mode="async")


def test_settings_are_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "PORT": "9001",
        "LOG_LEVEL": "ERROR",
        "LOTUS_MAX_ROWS": "7",
        "LOTUS_DRAIN_SECONDS": "0.5",
    }.items():
        monkeypatch.setenv(name, value)
    settings = read_settings()
    assert (settings.port, settings.log_level, settings.max_rows, settings.drain_seconds) == (9001, "ERROR", 7, 0.5)


def test_an_empty_host_is_refused_instead_of_meaning_all_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOST", "")
    with pytest.raises(SettingsError, match="HOST"):
        read_settings()


def test_all_faults_are_told_in_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PORT": "x", "LOG_LEVEL": "LOUD", "LOTUS_MAX_ROWS": "0", "LOTUS_MAX_ROW": "5"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        read_settings()
    for name in ("PORT", "LOG_LEVEL", "LOTUS_MAX_ROWS", "LOTUS_MAX_ROW is not a setting"):
        assert name in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["core", "ftp://core", "http://", "http://user:word@core", "http://core?a=1", "http://core#a", "http://core:x"],
)
def test_the_url_of_lotus_core_is_checked(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("CORE_QUERY_BASE_URL", url)
    with pytest.raises(SettingsError, match="CORE_QUERY_BASE_URL"):
        read_settings()


@pytest.mark.parametrize("url", ["", "http://core", "https://core.example:8443/query"])
def test_the_url_of_lotus_core_may_have_a_path(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("CORE_QUERY_BASE_URL", url)
    assert read_settings().core_url == url


def test_switches_that_are_neither_on_nor_off_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PA_CAP_TWR_ENABLED", "perhaps")
    with pytest.raises(SettingsError, match="PA_CAP_TWR_ENABLED"):
        read_settings()


@pytest.mark.parametrize(
    ("most", "n_workers", "threads"), [("max", 2, 128), (None, 1, 128), ("128", 2, 52), ("32", 8, 4)]
)
def test_threads_fit_into_what_a_container_allows(
    monkeypatch: pytest.MonkeyPatch, most: str | None, n_workers: int, threads: int
) -> None:
    monkeypatch.setattr("lotus_performance.settings.control_group", lambda name: most)
    assert server_threads(n_workers) == threads
