"""Lineage of calculations: the view, the artifacts, the replay, and RFC-0023's named paths."""

import errno
import hashlib
import io
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from werkzeug.exceptions import ImATeapot

from lotus_performance import services
from lotus_performance.errors import IntegrityError, LineageUnavailableError
from lotus_performance.jobs.analytics import ANALYTICS, stored_request
from lotus_performance.schemas.twr import TwrRequestSchema
from stored import EXAMPLES, PATHS, Stored, example, new_id

FILES = {
    "twr": {"twr_calculation_details.csv"},
    "mwr": {"mwr_cashflow_schedule.csv"},
    "contribution": {"portfolio_twr.csv", "daily_contributions.csv"},
    "attribution": {"aligned_panel.csv", "daily_returns.csv", "single_period_effects.csv"},
}
EXACT = [name for name, kind in EXAMPLES.items() if kind in ("twr", "mwr")]
"""Examples that can be calculated in decimals."""


def view_of(stored: Stored, calculation_id: str) -> Any:
    answer = stored.get(f"/performance/lineage/{calculation_id}")
    assert answer.status_code == 200, answer.text
    return answer.get_json()


# ---------------------------------------------------------------- the view


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_artifact_of_an_example_is_there_with_its_checksum(stored: Stored, name: str) -> None:
    sent = stored.post(name)
    calculation_id = sent.get_json()["calculation_id"]
    view = view_of(stored, calculation_id)
    assert (view["calculation_type"], view["status"]) == (EXAMPLES[name], "complete")
    further = view["artifacts"].keys() - {"request.json", "response.json"} - FILES[EXAMPLES[name]]
    assert view["artifacts"].keys() >= {"request.json", "response.json"} | FILES[EXAMPLES[name]]
    assert all(each.endswith("_currency_attribution_effects.csv") for each in further)
    for listed in view["artifacts"].values():
        content = stored.get(listed["url"]).data
        assert (len(content), hashlib.sha256(content).hexdigest()) == (listed["size"], listed["sha256"])
    assert stored.get(view["artifacts"]["response.json"]["url"]).data == sent.data


def test_the_stored_request_is_the_one_that_the_fingerprint_stands_for(stored: Stored) -> None:
    answer = stored.post().get_json()
    content = stored.get(f"/lineage/{answer['calculation_id']}/request.json").data
    assert f"sha256:{hashlib.sha256(content).hexdigest()}" == answer["meta"]["input_fingerprint"]


def test_the_manifest_tells_what_the_answer_tells(stored: Stored) -> None:
    answer = stored.post().get_json()
    stored.work()
    manifest = json.loads((stored.folder(answer["calculation_id"]) / "manifest.json").read_text())
    for name in ("engine_version", "input_fingerprint", "result_hash"):
        assert manifest[name] == answer["meta"][name]
    assert manifest["status"] == "complete"
    assert manifest["timestamp_utc"] == view_of(stored, answer["calculation_id"])["timestamp_utc"]


def test_what_is_pending_is_written_when_it_is_first_asked_for(stored: Stored) -> None:
    calculation_id = stored.calculate()
    assert not stored.folder(calculation_id).exists()
    assert stored.get(f"/lineage/{calculation_id}/request.json").status_code == 200
    assert view_of(stored, calculation_id)["status"] == "complete"


def test_what_somebody_else_is_writing_is_pending(stored: Stored) -> None:
    calculation_id = stored.calculate()
    assert stored.executions.claim_lineage(calculation_id)
    view = view_of(stored, calculation_id)
    assert (view["status"], view["artifacts"]) == ("pending", {})
    assert stored.code(f"/lineage/{calculation_id}/request.json") == (404, "artifact_not_found")


def test_what_somebody_else_is_just_writing_is_waited_for(stored: Stored) -> None:
    calculation_id = stored.calculate()
    other = stored.another()
    assert other.executions.claim_lineage(calculation_id)
    with ThreadPoolExecutor(1) as pool:
        view = pool.submit(lambda: view_of(stored, calculation_id))
        other.materialise(other.executions.get(calculation_id))
        assert view.result()["status"] == "complete"


def test_artifacts_that_cannot_be_made_are_failed_and_say_so(stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    calculation_id = stored.calculate()

    def fail(*_: object) -> None:
        raise IntegrityError("The request of this calculation is not the one that was kept.")

    monkeypatch.setattr("lotus_performance.jobs.lineage.recalculated", fail)
    stored.work()
    view = view_of(stored, calculation_id)
    assert (view["status"], view["artifacts"]) == ("failed", {})
    assert view["error_message"] == "The request of this calculation is not the one that was kept."


# ---------------------------------------------------------------- artifacts


def test_an_artifact_is_immutable_and_has_its_checksum_as_etag(stored: Stored) -> None:
    calculation_id = stored.calculate()
    url = f"/lineage/{calculation_id}/twr_calculation_details.csv"
    first = stored.get(url)
    assert first.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert "immutable" in first.headers["Cache-Control"]
    assert first.headers["ETag"] == f'"{hashlib.sha256(first.data).hexdigest()}"'
    again = stored.client.get(url, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    assert stored.client.get(url, headers={"If-None-Match": '"other"'}).data == first.data
    assert stored.client.head(url).headers["Content-Length"] == str(len(first.data))


@pytest.mark.parametrize("method", ["PUT", "DELETE", "POST", "PATCH"])
def test_an_artifact_cannot_be_changed(stored: Stored, method: str) -> None:
    url = f"/lineage/{stored.calculate()}/request.json"
    assert stored.client.open(url, method=method).status_code == 405


@pytest.mark.parametrize(
    "name",
    [
        "manifest.json",
        "other.csv",
        "..",
        "%2e%2e",
        "..%2frequest.json",
        "%2e%2e%2f%2e%2e%2flotus.db",
        "..%5crequest.json",
        ".new-x",
        "request.json%00",
        "request.json%0a",
        "REQUEST.JSON",
        "%2fetc%2fpasswd",
        "x" * 5000,
    ],
)
def test_no_name_but_those_of_the_manifest_is_served(stored: Stored, name: str) -> None:
    calculation_id = stored.calculate()
    answer = stored.get(f"/lineage/{calculation_id}/{name}")
    assert answer.status_code == 404
    assert str(stored.settings.data_dir) not in answer.text


@pytest.mark.parametrize("path", ["/performance/lineage/{}", "/lineage/{}/request.json", "/performance/executions/{}"])
@pytest.mark.parametrize(
    "calculation_id",
    [
        "00000000-0000-4000-8000-000000000000",
        "x",
        "..",
        "%00",
        "00000000-0000-4000-8000-00000000000G",
        "00000000-0000-4000-8000-000000000000%0a",
        "'; DROP TABLE executions; --",
    ],
)
def test_an_unknown_id_is_not_found(stored: Stored, path: str, calculation_id: str) -> None:
    assert stored.code(path.format(calculation_id)) == (404, "lineage_not_found")


def test_the_id_of_another_spelling_is_not_found(stored: Stored) -> None:
    calculation_id = stored.calculate(calculation_id="0000abcd-0000-4000-8000-00000000abcd")
    assert stored.code(f"/performance/lineage/{calculation_id.upper()}") == (404, "lineage_not_found")


# ---------------------------------------------------------------- RFC-0023


def test_rfc_0023_a_missing_manifest_is_a_404(stored: Stored) -> None:
    calculation_id = stored.calculate()
    stored.work()
    (stored.folder(calculation_id) / "manifest.json").unlink()
    for path in (f"/performance/lineage/{calculation_id}", f"/lineage/{calculation_id}/request.json"):
        assert stored.code(path) == (404, "manifest_missing")


@pytest.mark.parametrize("number", [errno.EIO, errno.EACCES, errno.EMFILE, errno.ESTALE])
def test_rfc_0023_an_unexpected_file_system_error_is_a_500(
    stored: Stored, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    calculation_id = stored.calculate()
    stored.work()
    real = os.open

    def failing(path: Any, *arguments: Any, **named: Any) -> int:
        if calculation_id in str(path):
            raise OSError(number, os.strerror(number), str(path))
        return real(path, *arguments, **named)

    monkeypatch.setattr(os, "open", failing)
    for path in (f"/performance/lineage/{calculation_id}", f"/lineage/{calculation_id}/request.json"):
        answer = stored.get(path)
        assert (answer.status_code, answer.get_json()["code"]) == (500, "lineage_unavailable")
        assert str(stored.settings.data_dir) not in answer.text
        assert os.strerror(number) not in answer.text
    monkeypatch.undo()
    assert view_of(stored, calculation_id)["status"] == "complete"


def test_rfc_0023_an_error_while_the_file_is_read_is_a_500(stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    calculation_id = stored.calculate()
    stored.work()
    real = io.open

    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise OSError(errno.EIO, "Input/output error")

    def failing(file: Any, mode: str = "r", *arguments: Any, **named: Any) -> Any:
        return Broken() if isinstance(file, int) and mode == "rb" else real(file, mode, *arguments, **named)

    monkeypatch.setattr("builtins.open", failing)
    assert stored.code(f"/performance/lineage/{calculation_id}") == (500, "lineage_unavailable")


def test_rfc_0023_an_engine_that_fails_unexpectedly_is_a_500_and_recorded(
    stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr(services.mwr, "money_weighted_return", fail)
    calculation_id = new_id()
    answer = stored.post("mwr_one_year", calculation_id=calculation_id)
    assert (answer.status_code, answer.get_json()["code"]) == (500, "calculation_failed")
    assert "secret" not in answer.text
    execution = stored.get(f"/performance/executions/{calculation_id}").get_json()
    assert (execution["status"], execution["error_code"]) == ("failed", "calculation_failed")
    assert {stage["status"] for stage in execution["stages"]} == {"failed"}
    view = view_of(stored, calculation_id)
    assert (view["status"], view["error_message"]) == ("failed", answer.get_json()["detail"])
    assert stored.code(f"/performance/executions/{calculation_id}/result") == (500, "calculation_failed")


@pytest.mark.parametrize("named", [True, False], ids=["own-id", "no-id"])
def test_rfc_0023_an_http_error_inside_passes_through_and_is_not_recorded(
    stored: Stored, monkeypatch: pytest.MonkeyPatch, named: bool
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ImATeapot("short and stout")

    monkeypatch.setattr(services.mwr, "money_weighted_return", refuse)
    answer = stored.post("mwr_one_year", **({"calculation_id": new_id()} if named else {}))
    assert (answer.status_code, answer.get_json()["detail"]) == (418, "short and stout")
    assert stored.all() == []


# ---------------------------------------------------------------- replay


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_replays(stored: Stored, name: str) -> None:
    calculation_id = stored.calculate(name)
    answer = stored.client.post(f"/performance/lineage/{calculation_id}/replay")
    assert answer.get_json() == {
        "match": True,
        "identical": True,
        "max_difference": 0.0,
        "engine_version": "1",
        "stored_engine_version": "1",
    }


@pytest.mark.parametrize(
    ("name", "precision_mode"),
    [*((name, "FLOAT64") for name in EXAMPLES), *((name, "DECIMAL_STRICT") for name in EXACT)],
)
def test_a_canonical_request_read_again_is_the_same(stored: Stored, name: str, precision_mode: str) -> None:
    calculation_id = stored.calculate(name, precision_mode=precision_mode)
    canonical = stored.executions.payload(calculation_id).request
    assert stored_request(stored.executions.get(calculation_id), canonical).canonical == canonical


def test_a_replay_tells_how_far_the_figures_are_apart(stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    calculation_id = stored.calculate("mwr_one_year")
    real = services.mwr.calculate_mwr

    def other(request: Any) -> Any:
        result = real(request)
        result.figures["money_weighted_return"] += 0.5
        return result

    monkeypatch.setitem(ANALYTICS, "mwr", type(ANALYTICS["mwr"])(ANALYTICS["mwr"].schema, other))
    outcome = stored.client.post(f"/performance/lineage/{calculation_id}/replay").get_json()
    assert (outcome["match"], outcome["identical"]) == (False, False)
    assert outcome["max_difference"] == pytest.approx(0.5)


def test_a_difference_of_one_unit_of_the_last_digit_matches(stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    calculation_id = stored.calculate("mwr_one_year")
    real = services.mwr.calculate_mwr

    def other(request: Any) -> Any:
        result = real(request)
        result.figures["money_weighted_return"] += 1e-6
        return result

    monkeypatch.setitem(ANALYTICS, "mwr", type(ANALYTICS["mwr"])(ANALYTICS["mwr"].schema, other))
    outcome = stored.client.post(f"/performance/lineage/{calculation_id}/replay").get_json()
    assert (outcome["match"], outcome["identical"]) == (True, False)


def test_a_run_of_an_older_engine_says_so(stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    for place in ("run.ENGINE_VERSION", "lineage.ENGINE_VERSION"):
        monkeypatch.setattr(f"lotus_performance.jobs.{place}", "0")
    calculation_id = stored.calculate()
    monkeypatch.undo()
    outcome = stored.client.post(f"/performance/lineage/{calculation_id}/replay").get_json()
    assert (outcome["engine_version"], outcome["stored_engine_version"], outcome["match"]) == ("1", "0", True)


def test_a_stored_request_is_read_whatever_the_limits_are_now(stored: Stored) -> None:
    calculation_id = stored.calculate("twr_monthly_ten_years")
    client = stored.application(max_rows=1, max_periods=1).test_client()
    assert client.post(f"/performance/lineage/{calculation_id}/replay").get_json()["identical"]


def test_a_replay_of_what_failed_or_is_unknown_is_refused(stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    unknown = stored.client.post(f"/performance/lineage/{new_id()}/replay")
    assert (unknown.status_code, unknown.get_json()["code"]) == (404, "lineage_not_found")


# ---------------------------------------------------------------- modes


def test_sync_mode_has_the_artifacts_before_the_answer(stored: Stored) -> None:
    client = stored.application(lineage_mode="sync").test_client()
    for changes in ({}, {"calculation_id": (named := new_id())}, {"calculation_id": named}):
        calculation_id = client.post(PATHS["twr"], json=example("twr_five_days", **changes)).get_json()[
            "calculation_id"
        ]
        assert stored.lineage.artifacts.verify(calculation_id) == []
        assert stored.executions.get(calculation_id).lineage_status == "complete"


@pytest.mark.parametrize("named", [True, False], ids=["own-id", "no-id"])
def test_sync_mode_gives_no_answer_without_its_artifacts(
    stored: Stored, monkeypatch: pytest.MonkeyPatch, named: bool
) -> None:
    client = stored.application(lineage_mode="sync").test_client()
    body = example("twr_five_days", **({"calculation_id": new_id()} if named else {}))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    for _ in range(2):
        answer = client.post(PATHS["twr"], json=body)
        assert (answer.status_code, answer.get_json()["code"]) == (503, "storage_unavailable")
        assert answer.headers["Retry-After"]


def test_with_lineage_off_nothing_is_kept(stored: Stored) -> None:
    client = stored.application(lineage_mode="off").test_client()
    calculation_id = new_id()
    for changes in ({}, {"portfolio_id": "OTHER"}):
        body = example("twr_five_days", calculation_id=calculation_id, **changes)
        answer = client.post(PATHS["twr"], json=body, headers={"Prefer": "respond-async"})
        assert (answer.status_code, answer.get_json()["calculation_id"]) == (200, calculation_id)
        assert "Preference-Applied" not in answer.headers
    for path in (
        f"/performance/lineage/{calculation_id}",
        f"/lineage/{calculation_id}/request.json",
        "/performance/executions",
        f"/performance/executions/{calculation_id}",
        f"/performance/executions/{calculation_id}/result",
    ):
        assert client.get(path).status_code == 404
    assert client.post(f"/performance/lineage/{calculation_id}/replay").status_code == 404
    assert client.get("/health/ready").status_code == 200
    assert stored.all() == []


# ---------------------------------------------------------------- fingerprints


def test_order_of_rows_and_members_and_their_form_do_not_change_the_fingerprint(stored: Stored) -> None:
    body = example("twr_five_days")
    rows = body["valuation_points"]
    names = sorted({name for row in rows for name in row} - {"day"})
    columns = {name: [row.get(name, 0) for row in rows] for name in names}
    bodies = [
        body,
        dict(reversed(body.items())),
        body | {"valuation_points": rows[::-1]},
        body | {"valuation_points": [dict(reversed(row.items())) for row in rows]},
        body | {"valuation_points": columns},
        body | {"rounding_precision": 6, "calculation_id": new_id()},
    ]
    answers = [stored.client.post(PATHS["twr"], json=each).get_json() for each in bodies]
    for name in ("input_fingerprint", "calculation_hash", "result_hash"):
        assert len({answer["meta"][name] for answer in answers}) == 1


def test_the_engine_reads_a_canonical_request_without_its_id() -> None:
    body = example("twr_five_days", calculation_id=new_id())
    canonical = json.loads(TwrRequestSchema().load(body).canonical)
    assert "calculation_id" not in canonical


def test_a_folder_that_is_no_folder_is_an_error_of_the_file_system(stored: Stored, tmp_path: Path) -> None:
    calculation_id = stored.calculate()
    stored.folder(calculation_id).parent.parent.rmdir()
    stored.lineage.artifacts.root.write_bytes(b"")
    assert stored.code(f"/performance/lineage/{calculation_id}") == (500, "lineage_unavailable")
    with pytest.raises(LineageUnavailableError):
        stored.lineage.artifacts.probe()
