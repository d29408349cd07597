"""Row databases as files: opening under the lock, reading records, copying what a paused process holds, removing.

Every database holds records by entity key, and two kinds of keys of our own: the feature names of each layout, and a
mark that no row is lacking.
"""

import itertools
import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Event
from typing import Any, TypeVar

from rocksdict import AccessType, Rdict, WriteBatch

from streams.errors import StateError
from streams.features import generations
from streams.features.rocks_memory import RocksMemory

__all__ = [
    "FILLED",
    "LAYOUT",
    "copy_rows",
    "discard",
    "newest_log",
    "open_database",
    "open_secondary",
    "read_layout",
    "read_records",
    "sweep",
    "who_writes",
]

T = TypeVar("T")
# Keys of our own. An entity key starts with the number of its join keys, which is never zero.
FILLED = b"\0\0\0\0filled"
LAYOUT = b"\0\0\0\0layout:"
_RETRY_S = 0.02
_COPY_ROWS = 1000
# A flush may come between any two steps of opening; several in a row mean that the owner is about to remove the rows.
_SECONDARY_ATTEMPTS = 5


def read_records(database: Rdict, keys: Sequence[bytes]) -> list[bytes | None]:
    """The record of each key, in one call."""
    wanted: list[str | int | float | bytes | bool] = list(keys)
    found: Any = database[wanted]
    records: list[bytes | None] = found
    return records


def read_layout(database: Rdict, layout: bytes) -> tuple[str, ...]:
    """The feature names that a layout id stands for in this database."""
    raw: Any = database[LAYOUT + layout]
    return tuple(json.loads(raw))


def discard(folder: Path) -> None:
    """Remove a partition's rows. Raises StateError when another process writes them."""
    name = generations.current(folder)
    if name is not None and not _destroy(folder / name):
        raise StateError(
            f"rows in {folder} are held for writing by {who_writes(folder)}; a view can be removed only while "
            "nobody writes it; stop that process, then run `feast apply` again"
        )
    generations.retract(folder)
    shutil.rmtree(folder, ignore_errors=True)


def open_database(path: Path, memory: RocksMemory, patience_s: float) -> Rdict | None:
    """None while another process holds it. A borrower is done within milliseconds, so waiting a little helps."""
    for _ in range(max(1, round(patience_s / _RETRY_S))):
        try:
            return Rdict(str(path), memory.options())
        except Exception as error:
            if "/LOCK: " not in str(error):
                raise StateError(
                    f"rows in {path} cannot be opened ({error}); needed a whole database and the right to write; "
                    "correct that, or remove the folder: a worker writes its rows again"
                ) from error
        Event().wait(_RETRY_S)
    return None


def open_secondary(path: Path, memory: RocksMemory, scratch: Path) -> tuple[Rdict, Path | None]:
    """Open what another process holds, for reading as of now. `scratch`: a folder of this reader for RocksDB's notes.

    The newest log is returned when all was read; none when the owner kept removing logs that were being read.
    """
    attempts = 0
    while True:
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True)
        newest = newest_log(path)
        database = Rdict(str(path), memory.options(), access_type=AccessType.secondary(str(scratch)))
        attempts += 1
        if newest is not None and newest.exists():
            return database, newest
        if attempts == _SECONDARY_ATTEMPTS:
            return database, None
        database.close()


def newest_log(path: Path) -> Path | None:
    """The write-ahead log that a database writes now."""
    return max(path.glob("*.log"), key=lambda log: int(log.stem), default=None)


def copy_rows(source: Path, target: Rdict, memory: RocksMemory, scratch: Path) -> bool:
    """Make `target` hold what a generation holds that another process may write, except that no row is lacking.

    Returns whether no row is lacking in the source, and all of it was read.
    """
    held, log = open_secondary(source, memory, scratch)
    records: Iterator[tuple[Any, Any]] = held.items()
    for chunk in _chunks(pair for pair in records if pair[0] != FILLED):
        batch = WriteBatch(raw_mode=True)
        for (key, record), known in zip(chunk, read_records(target, [key for key, _ in chunk]), strict=True):
            if record != known:
                batch.put(key, record)
        target.write(batch)
    copied: Iterator[Any] = target.keys()
    for keys in _chunks(copied):
        batch = WriteBatch(raw_mode=True)
        for key, source_record in zip(keys, read_records(held, keys), strict=True):
            if source_record is None:
                batch.delete(key)
        target.write(batch)
    is_filled = log is not None and FILLED in held
    held.close()
    shutil.rmtree(scratch, ignore_errors=True)
    return is_filled


def _chunks(found: Iterator[T]) -> Iterator[list[T]]:
    while chunk := list(itertools.islice(found, _COPY_ROWS)):
        yield chunk


def sweep(folder: Path, name: str) -> None:
    """Remove generations that count no more, except what a paused process still holds."""
    for path in generations.other_generations(folder, name):
        _destroy(path)
    generations.forget_old(folder)


def who_writes(folder: Path) -> str:
    """The process that last opened a partition for writing, in words."""
    found = generations.owner(folder)
    return f"process {found['pid']} on {found['host']}" if {"pid", "host"} <= set(found) else "another process"


def _destroy(path: Path) -> bool:
    try:
        Rdict.destroy(str(path))
    except Exception:  # noqa: BLE001  # rocksdict raises no narrower: a lock is held
        return False
    shutil.rmtree(path, ignore_errors=True)
    return True
