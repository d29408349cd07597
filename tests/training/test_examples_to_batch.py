from dataclasses import replace

import msgspec
import numpy as np

from models.tasks import DEFAULT_TASKS
from streams.examples.records import Labels, Shown
from streams.training.buffered_slate import BufferedSlate, ReadySlate, TaskLabels
from streams.training.examples_to_batch import to_batch
from tests.training.slates import SCHEMA, features, labels, shown

TASKS = DEFAULT_TASKS[:3]
NUM_U, NUM_I, NUM_X = len(SCHEMA.user), len(SCHEMA.item), len(SCHEMA.cross)


def entry(tasks: tuple[str, ...], parts: list[Shown], *held: Labels) -> ReadySlate:
    found = {one.task: TaskLabels(one.revision, one.items, one.values, one.censored) for one in held}
    return ReadySlate(1, BufferedSlate(parts[0].user_id, parts[0].slate_id, tuple(parts), found), tasks)


def test_slates_become_rows_with_the_features_that_were_captured() -> None:
    first = entry(("click",), [shown("s1", "ab", first=7)], labels("s1", "click", {"a": 1, "b": 0}))
    parts = [shown("s2", "cz", user_id="v", first=1), shown("s2", "d", user_id="v", part=1, first=5)]
    second = entry(("click",), parts, labels("s2", "click", {"c": 0, "z": 0, "d": 1}))
    made = to_batch([first, second], SCHEMA, TASKS)
    batch = made.batch
    assert (made.user_ids, made.num_skipped) == (["u", "v"], 0)
    assert np.array_equal(batch.user_SU.numpy(), np.concatenate([features(7, 1, NUM_U), features(1, 1, NUM_U)]))
    assert np.array_equal(
        batch.item_NI.numpy(), np.concatenate([features(f, n, NUM_I) for f, n in ((7, 2), (1, 2), (5, 1))])
    )
    assert np.array_equal(
        batch.cross_NX.numpy(), np.concatenate([features(f, n, NUM_X) for f, n in ((7, 2), (1, 2), (5, 1))])
    )
    assert batch.slate_N.tolist() == [0, 0, 1, 1, 1]
    assert batch.position_N.tolist() == [0, 1, 0, 1, 10]
    assert batch.kind_N.tolist() == [0, 0, 0, 2, 0]
    assert batch.weight_N.tolist() == [1] * 5
    assert batch.y["click"].tolist() == [1, 0, 0, 0, 1]
    assert batch.mask["click"].tolist() == [True] * 5


def test_only_tasks_of_the_entry_and_rows_that_the_labels_name_are_known() -> None:
    held = [
        labels("s", "click", {"a": 1, "b": 0, "c": 1}),
        labels("s", "dwell", {"c": 30, "a": 4}, censored=[True, False]),
        labels("s", "cart", {"a": 1, "b": 0, "c": 0}),
    ]
    first, second = entry(("click",), [shown("s", "abc")], *held), entry(("cart", "dwell"), [shown("s", "abc")], *held)
    batch = to_batch([first, second], SCHEMA, TASKS).batch
    assert {task: mask.tolist() for task, mask in batch.mask.items()} == {
        "click": [True, True, True, False, False, False],
        "dwell": [False, False, False, True, False, True],
        "cart": [False, False, False, True, True, True],
    }
    assert {task: y.tolist() for task, y in batch.y.items()} == {
        "click": [1, 0, 1, 0, 0, 0],
        "dwell": [0, 0, 0, 4, 0, 30],
        "cart": [0, 0, 0, 1, 0, 0],
    }
    assert batch.censored.tolist() == [False, False, False, False, False, True]


def test_labels_of_rows_whose_part_has_not_come_and_of_tasks_not_asked_for_are_left_out() -> None:
    held = [labels("s", "click", {"a": 1, "b": 0, "c": 1}), labels("s", "order", {"a": 1, "b": 0, "c": 1})]
    batch = to_batch([entry(("click", "order"), [shown("s", "ca")], *held)], SCHEMA, TASKS).batch
    assert (batch.y["click"].tolist(), batch.mask["click"].tolist()) == ([1, 1], [True, True])
    assert sorted(batch.y) == ["cart", "click", "dwell"]


def test_slates_captured_with_other_features_are_left_out_and_counted() -> None:
    click = labels("s", "click", {"a": 1, "b": 0})
    old = entry(("click",), [shown("s"), shown("s", "c", part=1, feature_schema="0123456789ab")], click)
    good = entry(("click",), [shown("t", user_id="v")], click)
    made = to_batch([old, good, old], SCHEMA, TASKS)
    assert (made.user_ids, made.num_skipped, made.batch.slate_N.tolist()) == (["v"], 2, [0, 0])


def test_a_record_whose_columns_do_not_fit_each_other_stops_nothing() -> None:
    good = shown("s")
    broken = [
        msgspec.structs.replace(good, item=good.item[:-4]),
        msgspec.structs.replace(good, user=""),
        msgspec.structs.replace(good, cross=good.cross + good.cross),
        msgspec.structs.replace(good, positions=[0]),
        msgspec.structs.replace(good, kinds=["product"]),
    ]
    entries = [entry(("click",), [part], labels("s", "click", {"a": 1, "b": 0})) for part in [*broken, good]]
    made = to_batch(entries, SCHEMA, TASKS)
    assert (made.num_skipped, made.batch.num_rows) == (5, 2)

    short = replace(entries[-1], slate=replace(entries[-1].slate, labels={"click": TaskLabels(1, ["a", "b"], [1.0])}))
    made = to_batch([short], SCHEMA, TASKS)
    assert (made.num_skipped, made.batch.mask["click"].tolist()) == (0, [False, False])


def test_nothing_that_fits_gives_a_batch_without_rows_that_can_still_be_joined() -> None:
    batch = to_batch([], SCHEMA, TASKS).batch
    assert (batch.user_SU.shape, batch.item_NI.shape, batch.cross_NX.shape) == ((0, NUM_U), (0, NUM_I), (0, NUM_X))
    assert (batch.num_rows, sorted(batch.y)) == (0, ["cart", "click", "dwell"])
