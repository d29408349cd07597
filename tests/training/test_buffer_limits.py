import numpy as np

from tests.training.buffers import HISTORY, OpenBuffer, learnable, put, queue
from tests.training.slates import DAY_MS, START_MS, labels


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
