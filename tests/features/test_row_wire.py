"""The columnar bytes must mean what Feast's own objects mean."""

import numpy as np
import pytest
from feast.protos.feast.types.Value_pb2 import FloatList, RepeatedValue, StringList, Value
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.features.row_wire import (
    HEADER_BYTES,
    encode_records,
    event_times_us,
    layout_id,
    pack_header,
    unpack_header,
)
from streams.features.rows import Column, RowBatch, view_columns
from tests.features.sample_rows import AFFINITY, START_MS, user_rows

COLUMNS = (
    Column("count", "int64", ""),
    Column("rate", "float64", ""),
    Column("names", "string_list", ""),
    Column("weights", "float_list", ""),
)
ROW = st.tuples(
    st.integers(-(2**63), 2**63 - 1),
    st.floats(width=64, allow_nan=False),
    st.lists(st.text(max_size=200), max_size=80),
    st.lists(st.floats(width=32, allow_nan=False), max_size=80),
)


def as_batch(rows: list[tuple[int, float, list[str], list[float]]]) -> RowBatch:
    counts, rates, names, weights = (list(column) for column in zip(*rows, strict=True))
    columns = {
        "count": np.array(counts, np.int64),
        "rate": np.array(rates, np.float64),
        "names": names,
        "weights": weights,
    }
    ids = [f"u{i}" for i in range(len(rows))]
    return RowBatch("user_counters", ids, np.full(len(rows), START_MS, np.int64), columns)


@given(st.lists(ROW, min_size=1, max_size=5))
@settings(max_examples=200)
def test_columnar_bytes_parse_to_the_messages_that_feast_would_store(
    rows: list[tuple[int, float, list[str], list[float]]],
) -> None:
    for record, (count, rate, names, weights) in zip(encode_records(COLUMNS, as_batch(rows), 0), rows, strict=True):
        expected = [
            Value(int64_val=count),
            Value(double_val=rate),
            Value(string_list_val=StringList(val=names)),
            Value(float_list_val=FloatList(val=weights)),
        ]
        assert list(RepeatedValue.FromString(record[HEADER_BYTES:]).val) == expected


def test_weights_given_as_arrays_give_the_bytes_of_weights_given_as_lists() -> None:
    rows = [(1, 1.0, ["a"], [0.5, 1.5]), (2, 2.0, [], [])]
    batch = as_batch(rows)
    arrays = RowBatch(
        batch.view,
        batch.entity_ids,
        batch.event_at_ms,
        {**batch.columns, "weights": [np.array(row[3], np.float32) for row in rows]},
    )
    assert encode_records(COLUMNS, arrays, 0) == encode_records(COLUMNS, batch, 0)


def test_infinite_and_missing_numbers_keep_their_bits() -> None:
    record = encode_records(COLUMNS, as_batch([(0, float("nan"), [], [])]), 0)[0]
    assert np.isnan(RepeatedValue.FromString(record[HEADER_BYTES:]).val[1].double_val)
    record = encode_records(COLUMNS, as_batch([(0, float("-inf"), [], [])]), 0)[0]
    assert RepeatedValue.FromString(record[HEADER_BYTES:]).val[1].double_val == float("-inf")


def test_a_header_says_when_the_row_happened_when_it_was_written_and_its_features() -> None:
    columns = view_columns("user_counters", AFFINITY)
    record = encode_records(columns, user_rows(["a"], [1]), START_MS + 7)[0]
    assert unpack_header(record) == (
        START_MS * 1000,
        (START_MS + 7) * 1000,
        layout_id([column.name for column in columns]),
    )


def test_layouts_differ_by_name_and_by_order() -> None:
    assert len({layout_id(["a", "b"]), layout_id(["b", "a"]), layout_id(["a"])}) == 3


@pytest.mark.parametrize("at_us", [0, -5, START_MS * 1000])
def test_event_times_of_records_are_read_in_one_go(at_us: int) -> None:
    record = pack_header(at_us, 1, layout_id(["a"]))
    assert event_times_us([record, None, record]).tolist() == [at_us, -(2**63), at_us]
