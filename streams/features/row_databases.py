"""Row databases as files: opening under the lock, reading records, copying what a paused process holds, removing.

Every database holds records by entity key, and two kinds of keys of our own: the feature names of each layout, and a
mark that no row is lacking.
"""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from threading import Event
from typing import Any

from rocksdict import AccessType, Rdict, WriteBatch

from streams.errors import StateError
from streams.features import generations
from streams.features.row_memory import RowMemory

__all__ = [
    "FILLED",
    "LAYOUT",
    "copy_rows",
    "discard",
    "open_database",
    "read_layout",
    "read_records",
    "sweep",
    "who_writes",
]

# Keys of our own. An entity key starts with the number of its join keys, which is never zero.
FILLED = b"\0\0\0\0filled"
LAYOUT = b"\0\0\0\0layout:"
_RETRY_S = 0.02
_COPY_ROWS = 1000


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


def open_database(path: Path, memory: RowMemory, patience_s: float) -> Rdict | None:
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


def copy_rows(source: Path, target: Rdict, memory: RowMemory, scratch: Path) -> None:
    """Copy all rows of a generation that another process holds. That none is lacking is noted last, if it was so."""
    scratch.mkdir(parents=True)
    held = Rdict(str(source), memory.options(), access_type=AccessType.secondary(str(scratch)))
    batch = WriteBatch(raw_mode=True)
    for key, record in held.items():
        if key != FILLED:
            batch.put(key, record)
        if len(batch) >= _COPY_ROWS:
            target.write(batch)
            batch = WriteBatch(raw_mode=True)
    if FILLED in held:
        batch.put(FILLED, b"1")
    target.write(batch)
    held.close()
    shutil.rmtree(scratch, ignore_errors=True)


def sweep(folder: Path, name: str) -> None:
    """Remove generations that count no more, except what a paused process still holds."""
    for path in generations.other_generations(folder, name):
        _destroy(path)


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
