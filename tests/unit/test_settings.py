"""Settings are read once, and all faults are told at once."""

import pytest

from lotus_performance.settings import Settings, SettingsError, read_settings


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
