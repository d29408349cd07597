"""Orders are learned as negatives when clicks are known, corrected when they come, and judged once they are final."""

import math
from typing import cast

from models.tasks import DEFAULT_TASKS
from streams.training.buffered_slate import BufferedSlate, ReadySlate, TaskLabels
from streams.training.examples_to_batch import Use, to_batch
from streams.training.round_plan import first_labels, plan_round
from tests.training.slates import SCHEMA, shown

ITEMS = ["a", "b", "c"]


def entry(values: list[float], since: list[int], *, learned_seq: int, is_closed: bool, revision: int = 1) -> ReadySlate:
    held = {"order": TaskLabels(revision, ITEMS, values, is_closed=is_closed, since=since)}
    slate = BufferedSlate("u", "s", (shown("s", "abc"),), held)
    return ReadySlate(9, slate, ("order",), learned_seq)


def orders(entries: list[ReadySlate], use: str) -> tuple[list[float], list[bool], list[bool]]:
    """Labels (NaN: not known), which are not final, and which rows are replayed."""
    batch = to_batch(entries, SCHEMA, DEFAULT_TASKS, cast("Use", use)).batch
    pairs = zip(batch.y["order"].tolist(), batch.mask["order"].tolist(), strict=True)
    y = [value if is_known else math.nan for value, is_known in pairs]
    return y, batch.is_early["order"].tolist(), batch.is_replay_N.tolist()


def same(found: list[float], expected: list[float]) -> bool:
    return [str(value) for value in found] == [str(value) for value in expected]


def test_at_first_all_rows_are_learned_as_they_are_known() -> None:
    y, is_early, is_replay = orders([entry([0, 1, 0], [9, 9, 9], learned_seq=5, is_closed=False)], "learn")
    assert same(y, [0.0, 1.0, 0.0])
    assert (is_early, is_replay) == ([True] * 3, [False] * 3)


def test_a_correction_teaches_only_what_is_new() -> None:
    y, _, _ = orders([entry([1, 1, 0], [9, 3, 3], learned_seq=5, is_closed=False, revision=3)], "learn")
    assert same(y, [1.0, math.nan, math.nan])


def test_a_slate_that_was_corrected_before_it_was_learned_is_learned_whole() -> None:
    y, _, _ = orders([entry([1, 0, 0], [9, 7, 7], learned_seq=5, is_closed=False, revision=2)], "learn")
    assert same(y, [1.0, 0.0, 0.0])


def test_the_end_of_the_window_teaches_nothing_and_is_judged() -> None:
    over = [entry([1, 0, 0], [3, 2, 2], learned_seq=5, is_closed=True, revision=3)]
    assert same(orders(over, "learn")[0], [math.nan] * 3)
    assert same(orders(over, "judge")[0], [1.0, 0.0, 0.0])
    assert first_labels(over, {"order"}) == over
    assert plan_round(over * 2, 0.5, {"order"}).learned == over


def test_labels_that_are_not_final_are_neither_judged_nor_replayed() -> None:
    still_open = [entry([1, 0, 0], [9, 9, 9], learned_seq=0, is_closed=False)]
    assert same(orders(still_open, "judge")[0], [math.nan] * 3)
    y, _, is_replay = orders(still_open, "replay")
    assert same(y, [math.nan] * 3)
    assert is_replay == [True] * 3
