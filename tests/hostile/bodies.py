"""Bodies of hostile requests: the good ones of `cases/_bases.json`, spoiled as a case asks for."""

import copy
import datetime
import gzip
import hashlib
import io
import json
import re
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

CASES = Path(__file__).resolve().parent / "cases"
BASES: dict[str, Any] = json.loads((CASES / "_bases.json").read_text())
RUN = str(uuid.uuid4())

TOKEN = "@@TOKEN@@"  # noqa: S105 # a place in a text
FIRST_DAY = datetime.date(1975, 1, 1)

Params = dict[str, Any]


def body_of(how: dict[str, Any], case_id: str) -> bytes | None:
    """Return the body of a request, None where it has none."""
    if "body_gen" in how:
        body = GENERATORS[how["body_gen"]["name"]](how["body_gen"].get("params", {}))
    elif "body" in how:
        body = text_of(how["body"])
    elif "body_raw" in how:
        body = how["body_raw"].encode("utf-8", "surrogatepass")
    else:
        return None
    # `@uuid:a@` is an identifier of this run and case.
    return re.sub(rb"@uuid:(\w+)@", lambda name: _uuid(case_id + name[1].decode()), body)


def _uuid(name: str) -> bytes:
    return str(uuid.UUID(bytes=hashlib.sha256((RUN + name).encode()).digest()[:16], version=4)).encode()


def text_of(document: Any) -> bytes:
    return json.dumps(document).encode()


def base(name: str) -> Any:
    return copy.deepcopy(BASES[name])


# ------------------------------------------------------------------ places in a document, such as `analyses.0.label`


def value_at(document: Any, place: str) -> Any:
    """Return the value at a place, None where there is none."""
    for step in _steps(place):
        try:
            document = document[step]
        except (KeyError, IndexError, TypeError):
            return None
    return document


def put(document: Any, place: str, value: Any) -> None:
    *parents, name = _steps(place)
    for step in parents:
        document = document.setdefault(step, {}) if isinstance(document, dict) else document[step]
    document[name] = value


def cut(document: Any, place: str) -> None:
    *parents, name = _steps(place)
    for step in parents:
        document = document[step]
    del document[name]


def _steps(place: str) -> list[Any]:
    return [int(step) if step.isdigit() else step for step in place.split(".")]


def columns_of(rows: list[Any]) -> dict[str, list[Any]]:
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def _base_with_columns(params: Params) -> Any:
    document = base(params["base"])
    for place in params.get("columnar", ()):
        put(document, place, columns_of(value_at(document, place)))
    return document


def _days(n: int) -> list[str]:
    return [str(FIRST_DAY + datetime.timedelta(i)) for i in range(n)]


# ------------------------------------------------------------------ generators


def _patched(params: Params) -> bytes:
    """A base with members set, deleted or turned into columns."""
    document = _base_with_columns(params)
    for place, value in params.get("set", {}).items():
        put(document, place, value)
    for place in params.get("delete", ()):
        cut(document, place)
    return text_of(document)


def _literal(params: Params) -> bytes:
    """A base with a piece of JSON, right or wrong, in the place of a value."""
    document = _base_with_columns(params)
    put(document, params["path"], TOKEN)
    token = (params["token"] * params.get("repeat", 1)).encode("utf-8", "surrogatepass")
    return text_of(document).replace(f'"{TOKEN}"'.encode(), token)


def _repeated(params: Params) -> bytes:
    document = base(params["base"])
    put(document, params["path"], [params["value"]] * params["n"])
    return text_of(document)


def _long_string(params: Params) -> bytes:
    document = base(params["base"])
    put(document, params["path"], "x" * params["n"])
    return text_of(document)


def _windows(params: Params) -> bytes:
    """As many periods that differ, under labels of their own."""
    windows = [
        {
            "period": "EXPLICIT",
            "frequencies": ["daily"],
            "label": f"w{i}",
            "start": "2025-01-06",
            "end": f"2025-01-{6 + i % 5:02}",
        }
        for i in range(params["n"])
    ]
    return text_of(base("twr") | {"analyses": windows})


def growing(n: int, factor: float, start: float, *, fixed: bool = False, columnar: bool = False) -> dict[str, Any]:
    """Return a request whose value grows by a factor each day; if `fixed`, the gain leaves in the evening."""
    rows, value = [], start
    for date in _days(n):
        grown = value * factor
        end = value if fixed else grown
        rows.append({"perf_date": date, "begin_mv": value, "eod_cf": value - grown if fixed else 0.0, "end_mv": end})
        value = end
    return base("twr") | {
        "performance_start_date": rows[0]["perf_date"],
        "report_end_date": rows[-1]["perf_date"],
        "valuation_points": columns_of(rows) if columnar else rows,
        "analyses": [{"period": "ITD", "frequencies": ["yearly"]}],
    }


def _flows(params: Params) -> bytes:
    """As many flows of 10,000 in all, or of one size in and out by turns."""
    n, size = params["n"], params.get("alternate")
    first = datetime.date(2023, 1, 1)
    flows = [
        {
            "amount": 10_000.0 / n if size is None else size * (-1) ** (i + 1),
            "date": str(first + datetime.timedelta(i % 360)),
        }
        for i in range(n)
    ]
    return text_of(base("mwr") | {"cash_flows": flows})


def _positions(params: Params) -> bytes:
    """As many equal positions on the first day of a portfolio."""
    document, n = base("contribution"), params["n"]
    row = document["portfolio_data"]["valuation_points"][0]
    share = row | {"begin_mv": row["begin_mv"] / n, "end_mv": row["end_mv"] / n}
    document["report_end_date"] = document["report_start_date"]
    document["portfolio_data"]["valuation_points"] = [row]
    document["positions_data"] = [
        {"position_id": f"P{i}", "meta": {"sector": f"S{i % 11}"}, "valuation_points": [share]} for i in range(n)
    ]
    return text_of(document)


def _nested(params: Params) -> bytes:
    depth = params["depth"]
    opening, middle, closing = {"list": ("[", "", "]"), "object": ('{"a":', "1", "}"), "mixed": ('[{"a":', "1", "}]")}[
        params["kind"]
    ]
    text = opening * depth + middle + closing * depth
    return _literal(params | {"token": text}) if "path" in params else text.encode()


def _many_members(params: Params) -> bytes:
    return text_of({f"k{i}": i for i in range(params["n"])})


def _truncated(params: Params) -> bytes:
    text = text_of(base(params["base"]))
    return text[: int(len(text) * params["fraction"])]


def _encoded(params: Params) -> bytes:
    document = base(params["base"])
    for place, value in params.get("set", {}).items():
        put(document, place, value)
    return json.dumps(document, ensure_ascii=False).encode(params["encoding"])


def _with_member_twice(params: Params) -> bytes:
    return text_of(base(params["base"]))[:-1] + b"," + params["tail"].encode() + b"}"


def _padded(params: Params) -> bytes:
    """A good body brought to a size by blanks at its end."""
    return text_of(base(params["base"])).ljust(params["size"])


def _gzipped(params: Params) -> bytes:
    packed = gzip.compress(text_of(base(params["base"])))
    if params.get("corrupt"):
        packed = packed[:20] + b"\xff" * 8 + packed[28:]
    return packed[: int(len(packed) * params.get("truncate", 1))]


def _gzip_bomb(params: Params) -> bytes:
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=6) as file:
        file.write(b'{"portfolio_id":"')
        for _ in range(params["mb"]):
            file.write(b"x" * (1 << 20))
    return packed.getvalue()


GENERATORS: dict[str, Callable[[Params], bytes]] = {
    "patch": _patched,
    "literal": _literal,
    "repeat": _repeated,
    "long_string": _long_string,
    "windows": _windows,
    "growth": lambda params: text_of(growing(**params)),
    "flows": _flows,
    "positions": _positions,
    "deep_nest": _nested,
    "many_keys": _many_members,
    "truncate": _truncated,
    "encode": _encoded,
    "dup_key": _with_member_twice,
    "pad": _padded,
    "bytes": lambda params: bytes.fromhex(params["hex"]),
    "gzip": _gzipped,
    "gzip_bomb": _gzip_bomb,
}
