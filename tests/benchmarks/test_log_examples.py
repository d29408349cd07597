"""A log worked through without Kafka: what it gives to score, to learn, and as a table."""

import numpy as np
import orjson
import pytest

from benchmarks.example_table import ExampleTable, split_index, table_of
from benchmarks.log_examples import LogExamples, read_examples
from streams.examples.records import Labels, Shown

START_MS = 1_700_000_000_000
NUM_LISTS = 70
ITEMS = ("a", "b", "c")


def lines() -> list[dict[str, object]]:
    """Lists of three items, 30 s apart, by five users; item `a` is clicked in every second list."""
    found: list[dict[str, object]] = [
        {"event": "item", "id": f"i{item}", "item": item, "timestamp": str(START_MS), "fields": [
            {"name": "title", "value": item}, {"name": "genres", "value": ["x" if item == "a" else "y"]}]}
        for item in ITEMS
    ]  # fmt: skip
    for n in range(NUM_LISTS):
        at_ms, user = START_MS + 30_000 * n, f"u{n % 5}"
        found.append({"event": "ranking", "id": f"r{n}", "user": user, "session": user, "timestamp": str(at_ms),
                      "fields": [], "items": [{"id": item, "fields": []} for item in ITEMS]})  # fmt: skip
        if n % 2:
            found.append({"event": "interaction", "id": f"c{n}", "ranking": f"r{n}", "item": "a", "user": user,
                          "session": user, "type": "click", "timestamp": str(at_ms + 1000), "fields": []})  # fmt: skip
    return found


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> LogExamples:
    file = tmp_path_factory.mktemp("log") / "events.jsonl"
    file.write_bytes(b"\n".join(map(orjson.dumps, lines())))
    return read_examples(file, "metarank")


@pytest.fixture(scope="module")
def table(log: LogExamples) -> ExampleTable:
    return table_of(log)


def test_steps_hold_all_lists_in_order_64_at_most(log: LogExamples) -> None:
    assert [(step.first_list, len(step.tasks)) for step in log.steps] == [(0, 64), (64, 6)]
    tasks = [task.slate_id for step in log.steps for task in step.tasks]
    assert tasks == [one.slate_id for one in log.lists] == [f"r{n}" for n in range(NUM_LISTS)]


def test_examples_are_what_the_worker_sends_with_the_labels_of_closed_windows(log: LogExamples) -> None:
    shown = [example.slate_id for example in log.examples if isinstance(example, Shown)]
    clicks = [e for e in log.examples if isinstance(e, Labels) and e.task == "click"]
    assert shown == [f"r{n}" for n in range(NUM_LISTS)]
    assert [(e.slate_id, e.values) for e in clicks] == [
        (f"r{n}", [float(n % 2), 0.0, 0.0]) for n in range(NUM_LISTS - 1)
    ]


def test_the_table_has_the_past_alone_and_a_row_per_shown_item(table: ExampleTable) -> None:
    shown = table.features_NF[:, table.names.index("item_log_impressions")]
    assert len(table.y_N) == 3 * NUM_LISTS
    assert np.allclose(shown.reshape(-1, 3)[:, 0], np.log1p(np.arange(NUM_LISTS)), atol=1e-5)
    assert table.y_N.reshape(-1, 3)[:4].tolist() == [[0, 0, 0], [1, 0, 0], [0, 0, 0], [1, 0, 0]]
    assert table.user_L[:6].tolist() == [0, 1, 2, 3, 4, 0]


def test_parts_keep_the_numbers_of_lists(table: ExampleTable) -> None:
    part = table.part(2, 4)
    assert part.list_N.tolist() == [2, 2, 2, 3, 3, 3]
    assert part.place_N.tolist() == [0, 1, 2, 0, 1, 2]
    assert part.of_lists_with_click().list_N.tolist() == [3, 3, 3]
    assert part.sizes.tolist() == [3, 3]


def test_the_split_is_by_lists_with_a_click(log: LogExamples) -> None:
    # 35 lists have a click, 28 of them before the split; the 29th is list 57.
    assert split_index(log.lists, 0.8) == 57
