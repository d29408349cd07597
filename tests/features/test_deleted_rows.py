"""Deleted rows: gone from the files too, whenever the owner is killed."""

from pathlib import Path

from streams.features.owned_rows import OwnedRows
from streams.features.rocks_memory import RocksMemory
from streams.features.row_databases import open_database
from tests.features.row_holder import NAMES, record

PATIENCE_S = 0.1
KEYS = [b"kept-key", b"gone-key"]


def test_a_deleted_row_leaves_no_byte_on_disk(folder: Path, memory: RocksMemory) -> None:
    rows = OwnedRows.take_over(folder, memory, PATIENCE_S)
    rows.put(KEYS, [record(10, "kept-text"), record(10, "gone-text")], NAMES)
    assert rows.delete([b"gone-key", b"never-there"]) == 1
    assert rows.get(KEYS) == [record(10, "kept-text"), None]
    rows.close()
    on_disk = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert b"kept-key" in on_disk
    assert b"gone-key" not in on_disk
    assert b"gone-text" not in on_disk


def test_killed_before_the_bytes_were_gone_the_same_deletion_removes_them(folder: Path, memory: RocksMemory) -> None:
    rows = OwnedRows.take_over(folder, memory, PATIENCE_S)
    rows.put(KEYS, [record(10, "kept-text"), record(10, "gone-text")], NAMES)
    rows.close()
    database = open_database(folder / "gen-000001", memory, PATIENCE_S)
    assert database is not None
    database.flush()
    del database[b"gone-key"]
    database.close()
    was_there = b"gone-key" in b"".join(path.read_bytes() for path in folder.rglob("*.sst"))
    rows = OwnedRows.take_over(folder, memory, PATIENCE_S)
    assert rows.delete([b"gone-key"]) == 0
    rows.close()
    tables = b"".join(path.read_bytes() for path in folder.rglob("*.sst"))
    assert (was_there, b"kept-key" in tables, b"gone-key" in tables) == (True, True, False)
