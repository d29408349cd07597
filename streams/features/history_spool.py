"""Rows on disk that are not in a Parquet part yet: an Arrow stream per process, locked by its writer.

Appended rows outlive a killed process; a Parquet file would not, as its footer comes last. The kernel drops the lock
with the process, and that is how the next one knows that a spool is left over.
"""

import fcntl
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

__all__ = ["Spool", "left_spools", "locked", "spooled"]

_SUFFIX = ".arrows"


class Spool:
    """An open spool. Each `write` is one system call at the file's end."""

    def __init__(self, folder: Path, schema: pa.Schema) -> None:
        name = str(uuid.uuid4())
        aside = folder / f"{name}.new"
        self._file = pa.OSFile(str(aside), "wb")
        self._lock = os.open(aside, os.O_RDONLY)
        # Locked before it has its name, so that nobody takes it for one that was left.
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        aside.rename(folder / f"{name}{_SUFFIX}")
        self._stream = pa.ipc.new_stream(self._file, schema)

    def write(self, rows: pa.RecordBatch) -> None:
        """Append rows."""
        self._stream.write_batch(rows)

    def close(self) -> None:
        """Leave the spool to whoever makes a part of it."""
        self._stream.close()
        self._file.close()
        os.close(self._lock)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Wait for, and hold, an exclusive lock between processes."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def left_spools(folder: Path) -> Iterator[tuple[str, list[pa.RecordBatch]]]:
    """Name and rows of each spool without a writer. A spool is removed once the caller asks for the next one."""
    for path in sorted(folder.glob(f"*{_SUFFIX}")):
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            continue  # another process was faster
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue  # its writer lives
        else:
            yield path.stem, list(_whole_batches(path))
            path.unlink(missing_ok=True)
        finally:
            os.close(descriptor)


def spooled(folder: Path) -> Iterator[pa.RecordBatch]:
    """Rows of all spools as they are now, with a writer or without; one may become a part before it is read."""
    for path in sorted(folder.glob(f"*{_SUFFIX}")):
        yield from _whole_batches(path)


def _whole_batches(path: Path) -> Iterator[pa.RecordBatch]:
    """Batches up to where the writer was killed, if it was."""
    try:
        with pa.memory_map(str(path)) as file, pa.ipc.open_stream(file) as stream:
            yield from stream
    except (pa.ArrowInvalid, OSError):
        return
