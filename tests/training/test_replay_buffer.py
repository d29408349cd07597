import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.errors import StateError
from streams.examples.records import Labels, Shown
from streams.training.replay_buffer import AppendReport, ReadySlate, ReplayBuffer, TaskLabels
from tests.training.slates import DAY_MS, START_MS, labels, shown

Record = Shown | Labels
OpenBuffer = Callable[..., ReplayBuffer]
BYTES = 1 << 30


def open_at(folder: Path, buffer_days: float = 14, buffer_max_bytes: int = BYTES) -> ReplayBuffer:
    return ReplayBuffer(folder, buffer_days=buffer_days, buffer_max_bytes=buffer_max_bytes)


@pytest.fixture
def open_buffer(tmp_path: Path) -> Iterator[OpenBuffer]:
    """open_buffer() gives the buffer in the test's folder; the one before is closed first."""
    opened: list[ReplayBuffer] = []

    def reopen(buffer_days: float = 14, buffer_max_bytes: int = BYTES) -> ReplayBuffer:
        for buffer in opened:
            buffer.close()
        opened[:] = [open_at(tmp_path / "buffer", buffer_days, buffer_max_bytes)]
        return opened[0]

    yield reopen
    for buffer in opened:
        buffer.close()


def put(buffer: ReplayBuffer, *records: Record) -> AppendReport:
    """Append at the next offsets of partition 0."""
    start = buffer.next_offset(0) or 0
    return buffer.append(0, list(enumerate(records, start)), start + len(records))


def queue(buffer: ReplayBuffer, after_seq: int = 0) -> list[tuple[int, str, tuple[str, ...]]]:
    return [(entry.seq, entry.slate.slate_id, entry.tasks) for entry in buffer.ready(after_seq, 1000)]


def content(buffer: ReplayBuffer) -> list[tuple[object, ...]]:
    """All that can be learned, whatever the order of arrival: slates, and tasks as if each were ready once."""
    found: dict[tuple[str, str], ReadySlate] = {}
    tasks: dict[tuple[str, str], list[str]] = {}
    for entry in buffer.ready(0, 1000):
        key = (entry.slate.user_id, entry.slate.slate_id)
        found[key] = entry
        tasks.setdefault(key, []).extend(entry.tasks)
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
        "cart": TaskLabels(1, ["a", "b"], [1, 0], None, START_MS),
        "click": TaskLabels(1, ["a", "b"], [1, 0], None, START_MS),
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
    assert buffer.ready(0, 10)[0].slate.labels["click"] == TaskLabels(3, ["a", "b"], [1, 0], None, START_MS)


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


HISTORY: tuple[Record, ...] = (
    shown("s1"),
    shown("s1", "cd", part=1, at_ms=START_MS + 5),
    labels("s1", "click", {"a": 1, "b": 0}),
    labels("s1", "click", {"a": 1, "b": 0, "c": 1, "d": 0}, revision=2),
    labels("s1", "dwell", {"a": 3}, censored=[True]),
    labels("s1", "dwell", {"a": 8, "c": 1}, censored=[False, False], revision=2),
    shown("s2", user_id="v"),
    labels("s2", "click", {"a": 0, "b": 0}, user_id="v"),
    labels("s2", "order", {"a": 0, "b": 1}, user_id="v"),
    labels("s3", "click", {"a": 0, "b": 0}),
)


@settings(max_examples=40, deadline=None)
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


@settings(max_examples=20, deadline=None)
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


def test_records_below_the_stored_offset_are_skipped_exactly(open_buffer: OpenBuffer) -> None:
    buffer = open_buffer()
    records: list[tuple[int, Record]] = [(7, shown("s1")), (9, labels("s1", "click", {"a": 1, "b": 0}))]
    buffer.append(3, records, 12)
    again: list[tuple[int, Record]] = [*records, (11, shown("s2")), (12, shown("s3"))]
    assert buffer.append(3, again, 13) == AppendReport(1, 3, 0)
    assert buffer.append(4, [(0, shown("s4"))], 1) == AppendReport(1, 0, 0)
    assert buffer.append(3, [], 5) == AppendReport(0, 0, 0)
    assert (buffer.num_slates, buffer.next_offset(3), buffer.next_offset(4)) == (3, 13, 1)
    assert buffer.next_offset(5) is None


def test_reopened_it_goes_on_where_it_was(open_buffer: OpenBuffer) -> None:
    buffer = open_buffer()
    put(buffer, *HISTORY)
    put(buffer, labels("s2", "click", {"a": 1, "b": 0}, revision=2, user_id="v"))
    before = (buffer.ready(0, 100), buffer.num_ready(3), buffer.last_seq, buffer.num_bytes, buffer.num_slates)
    drawn = buffer.sample(5, np.random.default_rng(3), 1000)
    assert len(drawn) == 2
    buffer = open_buffer()
    assert before == (buffer.ready(0, 100), buffer.num_ready(3), buffer.last_seq, buffer.num_bytes, buffer.num_slates)
    assert buffer.sample(5, np.random.default_rng(3), 1000) == drawn
    assert buffer.next_offset(0) == len(HISTORY) + 1


FILLER = """
import sys
from pathlib import Path
from streams.training.replay_buffer import ReplayBuffer
from tests.training.slates import labels, shown
buffer = ReplayBuffer(Path(sys.argv[1]), buffer_days=14, buffer_max_bytes=1 << 30)
start = buffer.next_offset(0) or 0
for k in range(start, 100_000, 2):
    buffer.append(0, [(k, shown(f"s{k}")), (k + 1, labels(f"s{k}", "click", {"a": 1, "b": 0}))], k + 2)
    print(k + 2, flush=True)
"""


def test_killed_at_any_time_it_has_lost_and_doubled_nothing(tmp_path: Path) -> None:
    for num_lines in (3, 40):
        command = [sys.executable, "-c", FILLER, str(tmp_path / "buffer")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as process:
            assert process.stdout is not None
            told = [int(process.stdout.readline()) for _ in range(num_lines)]
            os.kill(process.pid, signal.SIGKILL)
        buffer = open_at(tmp_path / "buffer")
        next_offset = buffer.next_offset(0) or 0
        assert next_offset >= told[-1]
        assert [e.slate.slate_id for e in buffer.ready(0, 1 << 20)] == [f"s{k}" for k in range(0, next_offset, 2)]
        assert buffer.num_slates == buffer.num_ready(0) == next_offset // 2
        buffer.close()


def test_a_folder_that_another_process_holds_is_refused(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FILLER, str(tmp_path / "buffer")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(StateError, match="one trainer must hold it alone"):
            open_at(tmp_path / "buffer")
        process.kill()


def learnable(slate_id: str, at_ms: int = START_MS) -> list[Record]:
    return [shown(slate_id, at_ms=at_ms), labels(slate_id, "click", {"a": 1, "b": 0}, at_ms=at_ms)]


def test_slates_older_than_the_days_kept_leave_and_labels_that_never_met_theirs_are_counted(
    open_buffer: OpenBuffer,
) -> None:
    buffer = open_buffer(buffer_days=2)
    put(buffer, *learnable("new", START_MS + 3 * DAY_MS), *learnable("edge", START_MS + DAY_MS), *learnable("old"))
    put(buffer, labels("lost", "click", {"a": 1}), labels("lost", "cart", {"a": 1}))
    assert buffer.trim(START_MS + DAY_MS) == 0
    assert buffer.trim(buffer.event_time_ms) == 2
    assert queue(buffer) == [(1, "new", ("click",)), (2, "edge", ("click",))]
    assert (buffer.num_ready(0), buffer.num_slates, buffer.labels_without_shown) == (2, 2, 2)
    assert [s.slate.slate_id for s in buffer.sample(9, np.random.default_rng(0), 99)] == ["new", "edge"]
    put(buffer, labels("old", "order", {"a": 1, "b": 0}))
    assert buffer.trim(buffer.event_time_ms) == 1
    assert buffer.labels_without_shown == 3
    buffer = open_buffer()
    assert (queue(buffer, 1), buffer.labels_without_shown) == ([(2, "edge", ("click",))], 3)


def test_an_emptied_buffer_takes_no_bytes(open_buffer: OpenBuffer) -> None:
    buffer = open_buffer()
    put(buffer, *HISTORY)
    assert buffer.num_bytes > 1000
    assert buffer.trim(START_MS + 99 * DAY_MS) == 3
    assert (buffer.num_bytes, buffer.num_slates, buffer.num_ready(0), buffer.last_seq) == (0, 0, 0, 6)
    assert buffer.sample(9, np.random.default_rng(0), 99) == []


def test_the_oldest_by_event_time_leave_beyond_the_bytes_allowed(open_buffer: OpenBuffer) -> None:
    buffer = open_buffer(buffer_max_bytes=1 << 20)
    ages = np.random.default_rng(5).permutation(1500)
    put(buffer, *(record for age in ages for record in learnable(f"s{age}", START_MS - int(age))))
    size = buffer.num_bytes / 1500
    assert size * 1500 > 1 << 20
    num_dropped = buffer.trim(START_MS)
    assert (1 << 20) - 1.1 * size < buffer.num_bytes <= 1 << 20
    assert [e.slate.slate_id for e in buffer.ready(0, 1500)] == [f"s{age}" for age in ages if age < 1500 - num_dropped]


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
