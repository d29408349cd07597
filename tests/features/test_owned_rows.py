import contextlib
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from streams.errors import StateError
from streams.features import generations
from streams.features.owned_rows import OwnedRows
from streams.features.rocks_memory import RocksMemory
from streams.features.row_databases import copy_rows, discard, open_database, read_records
from tests.features.row_holder import NAMES, record

ROOT = Path(__file__).parents[2]
PATIENCE_S = 0.1


class Holder:
    """Another process that owns the partition."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-m", "tests.features.row_holder", str(folder)]
        self.process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.answer() == "ready"

    def put(self, key: str, at_us: int, text: str) -> str:
        assert self.process.stdin is not None
        self.process.stdin.write(f"put {key} {at_us} {text}\n")
        self.process.stdin.flush()
        return self.answer()

    def answer(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


@contextmanager
def held(folder: Path) -> Iterator[Holder]:
    holder = Holder(folder)
    try:
        yield holder
    finally:
        holder.end()


def put(rows: OwnedRows, *given: tuple[str, int, str]) -> int:
    keys = [key.encode() for key, _, _ in given]
    return rows.put(keys, [record(at_us, text) for _, at_us, text in given], NAMES)


def test_an_older_row_never_replaces_a_newer_one(folder: Path, memory: RocksMemory) -> None:
    rows = OwnedRows.take_over(folder, memory, PATIENCE_S)
    assert put(rows, ("a", 10, "new"), ("b", 10, "new")) == 2
    assert put(rows, ("a", 9, "old"), ("b", 11, "newer")) == 1
    assert rows.get([b"a", b"b", b"c"]) == [record(10, "new"), record(11, "newer"), None]
    rows.close()


def test_at_equal_event_times_the_newcomer_wins(folder: Path, memory: RocksMemory) -> None:
    rows = OwnedRows.take_over(folder, memory, PATIENCE_S)
    put(rows, ("a", 10, "first"))
    assert put(rows, ("a", 10, "corrected")) == 1
    assert rows.get([b"a"]) == [record(10, "corrected")]
    rows.close()


def test_rows_of_one_entity_in_one_batch_are_settled_by_event_time_then_order(
    folder: Path, memory: RocksMemory
) -> None:
    rows = OwnedRows.take_over(folder, memory, PATIENCE_S)
    assert put(rows, ("a", 10, "x"), ("a", 12, "y"), ("a", 12, "z"), ("a", 11, "w")) == 1
    assert rows.get([b"a"]) == [record(12, "z")]
    rows.close()


def test_rows_are_fresh_until_they_are_marked_filled_and_that_survives_a_restart(
    folder: Path, memory: RocksMemory
) -> None:
    rows = OwnedRows.take_over(folder, memory, PATIENCE_S)
    assert rows.is_fresh
    rows.close()
    rows = OwnedRows.take_over(folder, memory, PATIENCE_S)
    assert rows.is_fresh
    rows.mark_filled()
    rows.close()
    rows = OwnedRows.take_over(folder, memory, PATIENCE_S)
    assert not rows.is_fresh
    rows.close()


def test_a_killed_owner_leaves_every_row_it_was_told_was_written(folder: Path, memory: RocksMemory) -> None:
    with held(folder) as holder:
        for n in range(200):
            assert holder.put(f"k{n}", n, f"v{n}") == "1"
    rows = OwnedRows.take_over(folder, memory, PATIENCE_S)
    assert rows.get([f"k{n}".encode() for n in range(200)]) == [record(n, f"v{n}") for n in range(200)]
    assert generations.current(folder) == "gen-000001"
    rows.close()


def test_a_borrower_is_told_who_owns_the_rows(folder: Path, memory: RocksMemory) -> None:
    with held(folder) as holder, pytest.raises(StateError) as raised:
        OwnedRows.borrow(folder, memory, PATIENCE_S)
    assert f"held for writing by process {holder.process.pid} on " in str(raised.value)


def test_a_paused_owner_is_replaced_by_a_generation_with_all_its_rows_and_cannot_write_again(
    folder: Path, memory: RocksMemory
) -> None:
    with held(folder) as paused:
        paused.put("a", 10, "before")
        paused.process.send_signal(signal.SIGSTOP)
        rows = OwnedRows.take_over(folder, memory, PATIENCE_S)
        assert generations.current(folder) == "gen-000002"
        assert rows.get([b"a"]) == [record(10, "before")]
        put(rows, ("a", 11, "after"))

        paused.process.send_signal(signal.SIGCONT)
        answer = paused.put("a", 12, "woken")
        assert answer.startswith("StateError: ")
        assert "gen-000002 counts, gen-000001 is held" in answer
        assert rows.get([b"a"]) == [record(11, "after")]
        rows.close()


def test_what_an_owner_writes_while_it_is_taken_over_is_kept(folder: Path, memory: RocksMemory) -> None:
    first = OwnedRows.take_over(folder, memory, PATIENCE_S)
    put(first, *((f"old{n}", n, "x") for n in range(20_000)))
    first.mark_filled()
    written: list[str] = []
    is_busy = threading.Event()

    def write() -> None:
        with contextlib.suppress(StateError):  # taken over
            for n in range(1_000_000):
                put(first, (f"new{n}", n, "y"))
                written.append(f"new{n}")
                is_busy.set()

    writer = threading.Thread(target=write)
    writer.start()
    is_busy.wait()
    second = OwnedRows.take_over(folder, memory, PATIENCE_S)
    writer.join()

    assert len(written) < 1_000_000
    assert not second.is_fresh
    assert None not in second.get([key.encode() for key in ("old0", "old19999", *written)])
    first.close()
    second.close()


def test_what_an_owner_deletes_while_it_is_taken_over_stays_deleted(folder: Path, memory: RocksMemory) -> None:
    owner = OwnedRows.take_over(folder, memory, PATIENCE_S)
    put(owner, ("kept", 10, "x"), ("gone", 10, "x"))
    target = open_database(folder / "copy", memory, 0.0)
    assert target is not None
    copy_rows(folder / "gen-000001", target, memory, folder / "scratch")
    owner.delete([b"gone"])
    copy_rows(folder / "gen-000001", target, memory, folder / "scratch")
    assert read_records(target, [b"kept", b"gone"]) == [record(10, "x"), None]
    target.close()
    owner.close()


def test_of_two_who_replace_the_same_generation_the_second_is_told(folder: Path) -> None:
    folder.mkdir(parents=True)
    names = [generations.next_generation(folder) for _ in range(3)]
    assert generations.publish(folder, names[0], after=None)
    assert generations.publish(folder, names[2], after=names[0])
    assert not generations.publish(folder, names[1], after=names[0])
    assert generations.current(folder) == names[2]
    # Also when what named the first successor is long gone.
    name = generations.next_generation(folder)
    assert generations.publish(folder, name, after=names[2])
    generations.forget_old(folder)
    assert not generations.publish(folder, names[1], after=names[0])
    assert generations.current(folder) == name


def test_a_copied_generation_is_as_complete_as_its_source(folder: Path, memory: RocksMemory) -> None:
    first = OwnedRows.take_over(folder, memory, PATIENCE_S)
    second = OwnedRows.take_over(folder, memory, PATIENCE_S)
    assert second.is_fresh
    second.mark_filled()
    third = OwnedRows.take_over(folder, memory, PATIENCE_S)
    assert not third.is_fresh
    for rows in (first, second, third):
        rows.close()


def test_generations_that_nobody_holds_any_more_are_removed(folder: Path, memory: RocksMemory) -> None:
    first = OwnedRows.take_over(folder, memory, PATIENCE_S)
    second = OwnedRows.take_over(folder, memory, PATIENCE_S)
    assert {path.name for path in folder.glob("gen-*")} == {"gen-000001", "gen-000002"}
    first.close()
    second.close()
    OwnedRows.take_over(folder, memory, PATIENCE_S).close()
    assert {path.name for path in folder.glob("gen-*")} == {"gen-000002"}


def test_damaged_rows_are_left_for_a_fresh_generation(folder: Path, memory: RocksMemory) -> None:
    rows = OwnedRows.take_over(folder, memory, PATIENCE_S)
    put(rows, ("a", 10, "x"))
    rows.mark_filled()
    rows.close()
    (folder / "gen-000001" / "CURRENT").write_text("MANIFEST-999999\n")
    rows = OwnedRows.take_over(folder, memory, PATIENCE_S)
    assert (rows.is_fresh, rows.get([b"a"]), generations.current(folder)) == (True, [None], "gen-000002")
    rows.close()


def test_rows_in_use_are_not_discarded(folder: Path, memory: RocksMemory) -> None:
    with held(folder), pytest.raises(StateError, match="can be removed only while nobody writes it"):
        discard(folder)
    discard(folder)
    assert not folder.exists()
