"""Users leave the replay buffer for good: whatever order partitions are read in, and with the process killed."""

from pathlib import Path

from streams.examples.records import Forget
from streams.training.buffer_database import BufferDatabase
from streams.training.replay_buffer import AppendReport, ReplayBuffer
from tests.training.buffers import OpenBuffer, learnable, open_at, put, queue
from tests.training.slates import START_MS, labels, shown

FORGET_U = Forget(user_id="u", at_ms=START_MS + 10)


def everything(folder: Path) -> bytes:
    database = BufferDatabase(folder)
    found = b"".join(key + value for key, value in database.scan(b""))
    database.close()
    return found


def test_nothing_of_the_user_is_left_and_others_stay(tmp_path: Path) -> None:
    buffer = open_at(tmp_path / "b")
    put(buffer, *learnable("mine"), shown("mine", "cd", part=1), labels("never-shown", "click", {"a": 1}))
    put(buffer, shown("theirs", user_id="uu"), labels("theirs", "click", {"a": 1, "b": 0}, user_id="uu"))
    report = put(buffer, FORGET_U)
    left = (report, queue(buffer), buffer.num_slates, buffer.num_new(0))
    buffer.close()
    assert left == (AppendReport(1, 0, 0), [(2, "theirs", ("click",))], 1, 1)
    assert b"mine" not in (rest := everything(tmp_path / "b"))
    assert b"never-shown" not in rest


def test_a_forget_in_the_middle_of_a_chunk_spares_what_came_after(open_buffer: OpenBuffer) -> None:
    buffer = open_buffer()
    report = put(buffer, *learnable("old"), FORGET_U, *learnable("new", START_MS + 11))
    assert (report.num_records, report.num_ready) == (5, 2)
    assert [slate for _, slate, _ in queue(buffer)] == ["new"]
    assert buffer.next_offset(0) == 5


def test_a_repeated_forget_spares_a_user_who_came_back(open_buffer: OpenBuffer) -> None:
    buffer = open_buffer()
    put(buffer, *learnable("old"), FORGET_U, *learnable("new", START_MS + 11), FORGET_U)
    assert [slate for _, slate, _ in queue(buffer)] == ["new"]


def test_partitions_read_in_any_order_end_without_the_user(open_buffer: OpenBuffer) -> None:
    buffer = open_buffer()
    for partition, slate in ((1, "s1"), (0, "s0")):
        records = [*learnable(slate), FORGET_U]
        buffer.append(partition, list(enumerate(records)), len(records))
    assert (queue(buffer), buffer.num_slates, buffer.num_bytes) == ([], 0, 0)


def test_what_was_taken_in_stays_taken_in_after_a_restart(tmp_path: Path) -> None:
    buffer: ReplayBuffer = open_at(tmp_path / "b")
    put(buffer, *learnable("old"), FORGET_U)
    buffer.close()
    buffer = open_at(tmp_path / "b")
    records = [*learnable("old"), FORGET_U]
    report = buffer.append(0, list(enumerate(records)), len(records))
    left = (report, queue(buffer), buffer.num_ready(0))
    buffer.close()
    assert left == (AppendReport(0, 3, 0), [], 0)
