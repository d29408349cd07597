"""Contents by item: the newest wins, nothing is written twice, what is not shown any more leaves."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from streams.examples.records import Shown, ShownContent, encode_array, encode_arrays
from streams.training.buffered_slate import Contents
from streams.training.content_table import REWRITE_MS, ContentTable
from tests.training.buffers import open_at, put
from tests.training.slates import DAY_MS, SCHEMA, START_MS, labels, shown


def with_content(record: Shown, codes: Sequence[Sequence[int]], numbers: Sequence[float]) -> Shown:
    """The record with the codes and the price of each of its items."""
    arrays = [np.array(of_item, "<i4") for of_item in codes]
    dense = encode_array(np.array(numbers, np.float32).reshape(-1, 1))
    return msgspec.structs.replace(record, content=ShownContent([*map(len, codes)], encode_arrays(arrays), dense))


def plain(contents: Contents) -> dict[str, tuple[list[int], list[float]]]:
    """By item, of the one schema there is."""
    assert {schema for schema, _ in contents} <= {SCHEMA.hash}
    return {item: (one.code_V.tolist(), one.dense_D.tolist()) for (_, item), one in contents.items()}


def test_the_newest_content_wins_whatever_the_order_of_arrival() -> None:
    first = with_content(shown("s1", "ab"), [[1, 2], []], [3.0, 4.0])
    second = with_content(shown("s2", "b", at_ms=START_MS + 5), [[7]], [5.0])
    for order in ([first, second], [second, first]):
        table = ContentTable([])
        for record in order:
            table.take(record)
        assert plain(table.contents) == {"a": ([1, 2], [3.0]), "b": ([7], [5.0])}


def test_what_is_known_already_is_not_written_again_within_the_hour() -> None:
    table = ContentTable([])
    written = [
        len(table.take(with_content(shown("s", "ab", at_ms=START_MS + after_ms), [[1], codes], [0.0, 0.0])))
        for after_ms, codes in ((0, [2]), (5, [2]), (6, [2, 3]), (REWRITE_MS, [2, 3]))
    ]
    assert written == [2, 0, 1, 1]


def test_a_table_read_back_is_the_same_and_old_items_leave_it() -> None:
    table, rows = ContentTable([]), {}
    rows |= table.take(with_content(shown("s1", "a"), [[5]], [float("inf")]))
    rows |= table.take(with_content(shown("s2", "b", at_ms=START_MS + DAY_MS), [[]], [2.0]))
    back = ContentTable(rows.items())
    assert plain(back.contents) == plain(table.contents) == {"a": ([5], [float("inf")]), "b": ([], [2.0])}
    gone = back.expire(START_MS + REWRITE_MS + 1)
    assert plain(back.contents) == {"b": ([], [2.0])}
    assert plain(ContentTable((key, row) for key, row in rows.items() if key not in gone).contents) == {
        "b": ([], [2.0])
    }


def test_the_buffer_keeps_contents_by_item_and_not_with_the_slates(tmp_path: Path) -> None:
    buffer = open_at(tmp_path)
    put(buffer, with_content(shown("s1"), [[1], [2]], [0.0, 1.0]), labels("s1", "click", {"a": 1, "b": 0}))
    buffer.close()
    buffer = open_at(tmp_path)
    slate = buffer.ready(0, 1)[0].slate
    assert [part.content for part in slate.shown] == [None]
    assert plain(slate.contents) == {"a": ([1], [0.0]), "b": ([2], [1.0])}
    buffer.trim(START_MS + 15 * DAY_MS)
    assert plain(slate.contents) == {}
    buffer.close()
    buffer = open_at(tmp_path)
    assert plain(buffer._contents.contents) == {}
    buffer.close()
