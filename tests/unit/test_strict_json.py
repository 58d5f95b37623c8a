"""The one JSON loader and the one serialiser."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lotus_performance.errors import CalculationError
from lotus_performance.strict_json import MalformedJsonError, dump_json, load_exact_json, load_json

DOCUMENTS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=30,
)


@given(DOCUMENTS)
def test_every_document_of_unique_members_is_read_as_the_standard_library_reads_it(document: Any) -> None:
    text = json.dumps(document, ensure_ascii=False).encode()
    assert load_json(text) == json.loads(text)


@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(["1", '"{:["', "[1]", '{"x": 1}'])), max_size=5),
    st.sampled_from(["%s", "[%s]", '{"rows": [%s, {"k": 1}]}', '[{"k": 1}, %s]', '{"z": {"y": [1, [%s]]}}']),
)
def test_a_member_that_is_there_twice_is_refused_wherever_it_stands(pairs: list[Any], frame: str) -> None:
    inner = "{" + ", ".join(f'"{name}": {value}' for name, value in pairs) + "}"
    names = [name for name, _ in pairs]
    text = (frame % inner).encode()
    if len(names) == len(set(names)):
        assert load_json(text) == json.loads(text)
    else:
        with pytest.raises(MalformedJsonError, match="twice"):
            load_json(text)


@pytest.mark.parametrize(
    "text",
    [b"", b" ", b"{", b"{}{}", b"NaN", b'{"a": Infinity}', b"[1e309]", b"[-1e400]", b"[" + b"9" * 400 + b"]",
     b'"\xff"', b'"\\ud800"', b"{'a': 1}", b"[01]", b"\xef\xbb\xbf{}"],
    ids=repr,
)  # fmt: skip
def test_what_is_no_json_is_refused(text: bytes) -> None:
    with pytest.raises(MalformedJsonError):
        load_json(text)


def nested(depth: int, text: str = "") -> bytes:
    """Return a document of a depth; a text with brackets makes the loader look twice."""
    lists = depth - 1
    return f'{{"text": "{text}", "deep": {"[" * lists}{"]" * lists}}}'.encode()


@pytest.mark.parametrize("text", ["", "[[{:"], ids=["plain", "brackets"])
def test_thirty_two_levels_are_read(text: str) -> None:
    assert load_json(nested(32, text))["text"] == text


@pytest.mark.parametrize("depth", [33, 900, 100_000])
@pytest.mark.parametrize("text", ["", "[[{:"], ids=["plain", "brackets"])
def test_more_levels_are_refused(depth: int, text: str) -> None:
    with pytest.raises(MalformedJsonError, match=r"levels deep|depth limit"):
        load_json(nested(depth, text))


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, {"a": [1.0, -math.inf]}, [{"b": (math.nan,)}], {"a": "null", "b": math.nan}]
)
def test_a_number_that_is_not_finite_is_never_written(value: Any) -> None:
    with pytest.raises(CalculationError):
        dump_json(value)


def test_the_word_null_in_a_text_is_fine() -> None:
    assert dump_json({"portfolio_id": "null"}) == b'{"portfolio_id":"null"}'


def test_an_exact_decimal_has_at_most_400_characters() -> None:
    longest = "0." + "1" * 398
    assert str(load_exact_json(longest.encode())) == longest
    with pytest.raises(MalformedJsonError, match="401 characters"):
        load_exact_json(f"{longest}1".encode())
