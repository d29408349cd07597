from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.training.replay_buffer import AppendReport, ReadySlate, ReplayBuffer, TaskLabels
from tests.training.buffers import HISTORY, OpenBuffer, Record, learnable, open_at, put, queue
from tests.training.slates import START_MS, labels, shown


def content(buffer: ReplayBuffer) -> list[tuple[object, ...]]:
    """All that can be learned, whatever the order of arrival: slates, and tasks as if each were ready once.

    Since when a value is known does depend on the order.
    """
    found: dict[tuple[str, str], ReadySlate] = {}
    tasks: dict[tuple[str, str], list[str]] = {}
    for entry in buffer.ready(0, 1000):
        key = (entry.slate.user_id, entry.slate.slate_id)
        found[key] = entry
        tasks.setdefault(key, []).extend(entry.tasks)
        for held in entry.slate.labels.values():
            held.since = []
    return [(key, found[key].slate, sorted(tasks[key])) for key in sorted(found)]


def test_a_slate_is_ready_once_its_click_labels_are_in_and_brings_the_tasks_that_waited(
    open_buffer: OpenBuffer,
) -> None:
    buffer = open_buffer()
    assert put(buffer, labels("s", "cart", {"a": 1, "b": 0}), shown("s")) == AppendReport(2, 0, 0)
    assert (buffer.num_ready(0), buffer.last_seq, queue(buffer)) == (0, 0, [])
    assert put(buffer, labels("s", "click", {"a": 1, "b": 0})) == AppendReport(1, 0, 1)
    (entry,) = buffer.ready(0, 10)
    assert (entry.seq, entry.tasks) == (1, ("cart", "click"))
    assert (entry.slate.user_id, entry.slate.slate_id, entry.slate.shown) == ("u", "s", (shown("s"),))
    assert entry.slate.labels == {
        "cart": TaskLabels(1, ["a", "b"], [1, 0], None, START_MS, since=[1, 1]),
        "click": TaskLabels(1, ["a", "b"], [1, 0], None, START_MS, since=[1, 1]),
    }


def test_a_correction_gives_an_entry_with_only_that_task(open_buffer: OpenBuffer) -> None:
    buffer = open_buffer()
    put(buffer, shown("s"), labels("s", "click", {"a": 0, "b": 0}), labels("s", "cart", {"a": 0, "b": 0}))
    put(buffer, labels("s", "cart", {"a": 1, "b": 0}, revision=2))
    assert queue(buffer) == [(1, "s", ("click",)), (3, "s", ("cart",))]
    assert queue(buffer, after_seq=2) == [(3, "s", ("cart",))]
    assert buffer.ready(2, 1)[0].slate.labels["cart"].values == [1, 0]
    assert (buffer.num_ready(0), buffer.num_ready(1), buffer.num_ready(3)) == (2, 1, 0)


def test_an_older_revision_and_one_that_says_the_same_are_no_news(open_buffer: OpenBuffer) -> None:
    buffer = open_buffer()
    put(buffer, shown("s"), labels("s", "click", {"a": 1, "b": 0}, revision=2))
    report = put(
        buffer,
        labels("s", "click", {"a": 0, "b": 0}, revision=1),
        labels("s", "click", {"a": 1, "b": 0}, revision=3),
        labels("s", "click", {"a": 0, "b": 0}, revision=2),
    )
    assert report == AppendReport(3, 0, 0)
    assert buffer.ready(0, 10)[0].slate.labels["click"] == TaskLabels(
        3, ["a", "b"], [1, 0], None, START_MS, since=[1, 1]
    )


def test_labels_say_since_which_entry_each_item_has_its_value(open_buffer: OpenBuffer) -> None:
    """What a label learned early still has to teach: the orders that came since, and at the end nothing."""
    buffer = open_buffer()
    early = labels("s", "order", {"a": 0, "b": 0}, is_closed=False)
    put(buffer, shown("s"), labels("s", "click", {"a": 1, "b": 1}), early)
    put(buffer, labels("s", "order", {"a": 0, "b": 1}, revision=2, is_closed=False))
    put(buffer, labels("s", "order", {"a": 1, "b": 1}, revision=3, is_closed=False))
    put(buffer, labels("s", "order", {"a": 1, "b": 1}, revision=4))
    (entry,) = buffer.ready(3, 10)
    assert (entry.seq, entry.learned_seq, entry.tasks) == (5, 3, ("order",))
    assert (entry.slate.labels["order"].since, entry.slate.labels["order"].is_closed) == ([4, 3], True)


def test_a_visit_that_ended_is_news_though_it_grew_no_longer(open_buffer: OpenBuffer) -> None:
    buffer = open_buffer()
    put(buffer, shown("s"), labels("s", "click", {"a": 1, "b": 0}), labels("s", "dwell", {"a": 9}, censored=[True]))
    put(buffer, labels("s", "dwell", {"a": 9}, censored=[False], revision=2))
    assert queue(buffer) == [(1, "s", ("click",)), (3, "s", ("dwell",))]


def test_the_first_shown_of_a_part_wins(open_buffer: OpenBuffer) -> None:
    buffer = open_buffer()
    put(buffer, shown("s", first=1), shown("s", first=2), labels("s", "click", {"a": 1, "b": 0}))
    put(buffer, shown("s", first=3))
    assert [entry.slate.shown for entry in buffer.ready(0, 10)] == [(shown("s", first=1),)]


def test_a_part_that_comes_late_makes_the_labels_of_its_rows_news(open_buffer: OpenBuffer) -> None:
    buffer = open_buffer()
    put(buffer, shown("s", "cd", part=1), labels("s", "click", {"a": 1, "b": 0, "c": 0, "d": 0}))
    put(buffer, labels("s", "dwell", {"c": 3}))
    put(buffer, shown("s", "ab"))
    assert queue(buffer) == [(2, "s", ("dwell",)), (3, "s", ("click",))]
    assert [part.part for part in buffer.ready(0, 1)[0].slate.shown] == [0, 1]


def test_two_users_may_be_given_the_same_slate_id(open_buffer: OpenBuffer) -> None:
    buffer = open_buffer()
    put(buffer, shown("s", user_id="u"), shown("s", user_id="v"), labels("s", "click", {"a": 1, "b": 1}, user_id="v"))
    assert [(e.slate.user_id, e.slate.slate_id) for e in buffer.ready(0, 10)] == [("v", "s")]
    assert buffer.num_slates == 2


@settings(max_examples=40)
@given(
    st.permutations(HISTORY * 2), st.lists(st.integers(0, 2 * len(HISTORY)), max_size=4), st.integers(0, len(HISTORY))
)
def test_any_order_duplicates_and_chunks_give_the_same_content(
    records: Sequence[Record], cuts: list[int], num_twice: int
) -> None:
    with TemporaryDirectory() as folder:
        plain, mixed = (open_at(Path(folder) / name) for name in ("plain", "mixed"))
        put(plain, *HISTORY)
        bounds = sorted({0, *cuts, len(records)})
        for start, stop in pairwise(bounds):
            put(mixed, *records[start:stop])
        put(mixed, *records[:num_twice])
        assert content(mixed) == content(plain)
        assert len(content(plain)) == 2
        assert (mixed.num_slates, mixed.event_time_ms) == (plain.num_slates, plain.event_time_ms)
        assert mixed.num_ready(0) == len(mixed.ready(0, 1000))
        plain.close()
        mixed.close()


@settings(max_examples=20)
@given(st.permutations(HISTORY), st.lists(st.integers(0, len(HISTORY)), max_size=3))
def test_the_queue_depends_on_the_records_alone_and_not_on_how_they_were_chunked(
    records: Sequence[Record], cuts: list[int]
) -> None:
    with TemporaryDirectory() as folder:
        whole, chunked = (open_at(Path(folder) / name) for name in ("whole", "chunked"))
        put(whole, *records)
        bounds = sorted({0, *cuts, len(records)})
        for start, stop in pairwise(bounds):
            put(chunked, *records[start:stop])
        assert chunked.ready(0, 1000) == whole.ready(0, 1000)
        assert (chunked.last_seq, chunked.num_bytes) == (whole.last_seq, whole.num_bytes)
        rngs = np.random.default_rng(1), np.random.default_rng(1)
        assert chunked.sample(1, rngs[0], 99) == whole.sample(1, rngs[1], 99)
        whole.close()
        chunked.close()


def test_a_sample_holds_only_what_was_known_before_the_given_entry(open_buffer: OpenBuffer) -> None:
    buffer = open_buffer()
    put(buffer, *learnable("s1"), *learnable("s2"), labels("s1", "cart", {"a": 1, "b": 0}))
    put(buffer, labels("s2", "click", {"a": 1, "b": 1}, revision=2), *learnable("s3"))

    def drawn(before_seq: int) -> list[tuple[str, tuple[str, ...]]]:
        return [(s.slate.slate_id, s.tasks) for s in buffer.sample(9, np.random.default_rng(0), before_seq)]

    # The click of s2 was corrected in entry 4: it is not to be learned before entry 4 was predicted.
    assert drawn(3) == [("s1", ("click",))]
    assert drawn(4) == [("s1", ("cart", "click"))]
    assert drawn(6) == [("s1", ("cart", "click")), ("s2", ("click",)), ("s3", ("click",))]


def test_samples_are_drawn_evenly_and_without_repetition(open_buffer: OpenBuffer) -> None:
    buffer = open_buffer()
    put(buffer, *(record for k in range(10) for record in learnable(f"s{k}")))
    put(buffer, *(labels("s0", "dwell", {"a": k}, revision=k) for k in range(1, 40)))
    rng = np.random.default_rng(11)
    seen = [s.slate.slate_id for _ in range(400) for s in buffer.sample(3, rng, 1000)]
    counts = [seen.count(f"s{k}") for k in range(10)]
    assert sum(counts) == 1200
    assert all(80 < count < 160 for count in counts)
    assert all(len({s.seq for s in buffer.sample(5, rng, 1000)}) == 5 for _ in range(20))


def test_a_round_ends_where_its_last_slate_became_learnable_whatever_came_after(open_buffer: OpenBuffer) -> None:
    buffer = open_buffer()
    for slate in "stu":
        put(buffer, shown(slate), labels(slate, "click", {"a": 1}), labels(slate, "cart", {"a": 0}))
    assert (buffer.num_new(0), buffer.num_new(1), buffer.num_new(6)) == (3, 2, 0)
    assert [buffer.seq_of_new(0, num) for num in (1, 2, 3, 9)] == [1, 3, 5, 5]
    assert buffer.seq_of_new(5, 1) == 5
    expected = [(1, "s", ("click",)), (2, "s", ("cart",)), (3, "t", ("click",))]
    assert [(e.seq, e.slate.slate_id, e.tasks) for e in buffer.ready(0, 100, through_seq=3)] == expected


def test_a_slate_whose_first_entry_was_superseded_still_counts_as_new(open_buffer: OpenBuffer) -> None:
    buffer = open_buffer()
    put(buffer, shown("s"), labels("s", "click", {"a": 0}), labels("s", "click", {"a": 1}, revision=2))
    assert (buffer.num_new(0), buffer.seq_of_new(0, 1), queue(buffer)) == (1, 1, [(2, "s", ("click",))])
