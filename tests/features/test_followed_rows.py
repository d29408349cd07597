import random
from pathlib import Path

from streams.features.followed_rows import FollowedRows
from streams.features.owned_rows import OwnedRows
from streams.features.rocks_memory import RocksMemory
from streams.features.row_databases import discard
from streams.features.row_wire import layout_id
from tests.features.row_holder import NAMES, record

LAG_S = 0.005


def owner_of(folder: Path, memory: RocksMemory) -> OwnedRows:
    return OwnedRows.take_over(folder, memory, 0.1)


def reader_of(folder: Path, memory: RocksMemory) -> FollowedRows:
    return FollowedRows(folder, memory, folder.parent / "scratch", LAG_S)


def test_a_reader_sees_what_the_owner_wrote_once_the_lag_has_passed(folder: Path, memory: RocksMemory) -> None:
    owner, reader = owner_of(folder, memory), reader_of(folder, memory)
    owner.put([b"a"], [record(1, "x")], NAMES)
    reader.refresh(100.0)
    assert reader.get([b"a"]) == [record(1, "x")]
    assert reader.names_of(layout_id(NAMES)) == NAMES
    owner.put([b"a"], [record(2, "y")], NAMES)
    reader.refresh(100.0 + LAG_S / 2)
    assert reader.get([b"a"]) == [record(1, "x")]
    reader.refresh(100.0 + 2 * LAG_S)
    assert reader.get([b"a"]) == [record(2, "y")]
    owner.close()
    reader.close()


def test_a_reader_may_come_before_the_first_row(folder: Path, memory: RocksMemory) -> None:
    reader = reader_of(folder, memory)
    reader.refresh(1.0)
    assert reader.get([b"a"]) == [None]
    owner = owner_of(folder, memory)
    owner.put([b"a"], [record(1, "x")], NAMES)
    reader.refresh(2.0)
    assert reader.get([b"a"]) == [record(1, "x")]
    owner.close()
    reader.close()


def test_a_reader_follows_a_switch_of_generation(folder: Path, memory: RocksMemory) -> None:
    first, reader = owner_of(folder, memory), reader_of(folder, memory)
    first.put([b"a"], [record(1, "x")], NAMES)
    reader.refresh(1.0)
    second = owner_of(folder, memory)
    reader.refresh(2.0)
    assert reader.get([b"a"]) == [record(1, "x")]
    second.put([b"a"], [record(2, "y")], NAMES)
    reader.refresh(3.0)
    assert reader.get([b"a"]) == [record(2, "y")]
    for rows in (first, second):
        rows.close()
    reader.close()


def test_a_reader_never_answers_from_a_log_that_the_owner_has_flushed_meanwhile(
    folder: Path, memory: RocksMemory
) -> None:
    """A RocksDB secondary alone does: it keeps the part of a log that it had read, and prefers it to newer files."""
    owner, reader = owner_of(folder, memory), reader_of(folder, memory)
    for n in range(20):
        owner.put([b"a", b"b"], [record(n, f"x{n}"), record(n, "gone")], NAMES)
        reader.refresh(float(n))
        assert reader.get([b"a", b"b"]) == [record(n, f"x{n}"), record(n, "gone")]
        owner.put([b"a"], [record(n, f"y{n}")], NAMES)
        owner.delete([b"b"])  # flushes and compacts
        reader.refresh(n + 0.5)
        assert reader.get([b"a", b"b"]) == [record(n, f"y{n}"), None]
    owner.close()
    reader.close()


def test_a_reader_keeps_up_with_an_owner_that_flushes_because_it_is_busy(folder: Path, memory: RocksMemory) -> None:
    """Write buffers fill and are flushed in the background, at moments that neither side chooses."""
    owner, reader = owner_of(folder, memory), reader_of(folder, memory)
    rng = random.Random(3)
    keys = [f"k{n}".encode() for n in range(1000)]
    newest: dict[bytes, bytes] = {}
    for step in range(150):
        for _ in range(rng.randrange(1, 5)):
            chosen = rng.sample(keys, 300)
            records = [record(step, f"{rng.random()}{'x' * 1000}") for _ in chosen]
            owner.put(chosen, records, NAMES)
            newest |= dict(zip(chosen, records, strict=True))
        reader.refresh(float(step))
        assert reader.get(keys) == [newest.get(key) for key in keys]
    owner.close()
    reader.close()


def test_a_reader_notices_that_rows_were_removed_and_came_back(folder: Path, memory: RocksMemory) -> None:
    owner, reader = owner_of(folder, memory), reader_of(folder, memory)
    owner.put([b"a"], [record(1, "x")], NAMES)
    reader.refresh(1.0)
    owner.close()
    discard(folder)
    reader.refresh(2.0)
    assert reader.get([b"a"]) == [None]
    owner = owner_of(folder, memory)
    owner.put([b"a"], [record(1, "y")], NAMES)
    reader.refresh(3.0)
    assert reader.get([b"a"]) == [record(1, "y")]
    owner.close()
    reader.close()
