"""The records of `training-examples` as bytes."""

import json

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.examples.records import Labels, Shown, decode_array, decode_record, encode_array, encode_record

SHOWN = Shown(
    slate_id="s", user_id="ü", surface="home", shown_at_ms=5, items=["a", "b"], positions=[0, 3],
    kinds=["product", "ad"], feature_schema="abc", user=encode_array(np.zeros(2, np.float32)), item="", cross="",
    part=1, policy="explore", propensities=[0.25, 1.0], model_version=7,
)  # fmt: skip
LABELS = Labels(slate_id="s", user_id="u", task="dwell", revision=2, items=["a"], values=[4.5], censored=[True])


@pytest.mark.parametrize("record", [SHOWN, LABELS])
def test_a_record_comes_back_from_its_bytes(record: Shown | Labels) -> None:
    assert decode_record(encode_record(record)) == record


def test_a_record_says_which_it_is() -> None:
    assert [json.loads(encode_record(record))["kind"] for record in (SHOWN, LABELS)] == ["shown", "labels"]


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        (b"{", msgspec.DecodeError),
        (b'{"kind":"wish"}', msgspec.ValidationError),
        (b'{"kind":"labels","slate_id":"s"}', msgspec.ValidationError),
        (encode_record(LABELS).replace(b'"revision":2', b'"revision":"2"'), msgspec.ValidationError),
    ],
)
def test_what_is_no_record_is_refused(raw: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        decode_record(raw)


@given(st.lists(st.lists(st.floats(width=32), min_size=3, max_size=3), max_size=5))
def test_an_array_comes_back_bit_by_bit(rows: list[list[float]]) -> None:
    values = np.array(rows, np.float32).reshape(-1, 3)
    back = decode_array(encode_array(values), 3)
    assert (back.shape, back.dtype, back.tobytes()) == (values.shape, np.dtype("<f4"), values.tobytes())


def test_a_transposed_view_travels_in_its_own_order() -> None:
    values = np.arange(6, dtype=np.float32).reshape(2, 3).T
    assert decode_array(encode_array(values), 2).tolist() == [[0, 3], [1, 4], [2, 5]]


@pytest.mark.parametrize("text", ["AAAA", encode_array(np.zeros(4, np.float32)), "not base64!"])
def test_an_array_of_another_width_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of base64, of numpy: the contract is ValueError
        decode_array(text, 3)
