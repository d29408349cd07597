"""The files around a partition's row database: which generation counts, who writes it, and whether it changed.

A partition folder holds numbered databases (`gen-000001`, ...), of which `CURRENT` names the one that counts. A paused
process keeps its lock on a database, so whoever takes the partition over starts the next generation beside it and
replaces `CURRENT`. `TICKS` is a counter in shared memory: readers look at it instead of asking the database each time.
"""

import json
import mmap
import os
import socket
import struct
from collections.abc import Mapping
from pathlib import Path

__all__ = ["Ticks", "current", "name_owner", "next_generation", "other_generations", "owner", "publish", "retract"]

_CURRENT, _OWNER, _TICKS, _PREFIX = "CURRENT", "OWNER", "TICKS", "gen-"
_COUNTER = struct.Struct("<Q")


def current(folder: Path) -> str | None:
    """The generation that counts; none when the partition has no rows yet."""
    try:
        return (folder / _CURRENT).read_text().strip() or None
    except FileNotFoundError:
        return None


def next_generation(folder: Path) -> str:
    """A new empty generation, not yet the one that counts."""
    number = 1 + max((int(name.removeprefix(_PREFIX)) for name in _generations(folder)), default=0)
    while True:
        name = f"{_PREFIX}{number:06d}"
        try:
            (folder / name).mkdir()
        except FileExistsError:
            number += 1
        else:
            return name


def publish(folder: Path, name: str) -> None:
    """Make a generation the one that counts, for every reader at once."""
    _replace(folder / _CURRENT, name)


def retract(folder: Path) -> None:
    """Make no generation count, and tell the readers."""
    (folder / _CURRENT).unlink(missing_ok=True)
    if (folder / _TICKS).exists():
        ticks = Ticks.of_writer(folder)
        ticks.move()
        ticks.close()


def other_generations(folder: Path, name: str) -> list[Path]:
    """Generations that count no more once `name` does."""
    return [folder / other for other in _generations(folder) if other != name]


def name_owner(folder: Path) -> None:
    """Write down that this process writes the partition, for whoever finds it locked."""
    _replace(folder / _OWNER, json.dumps({"pid": os.getpid(), "host": socket.gethostname()}))


def owner(folder: Path) -> Mapping[str, object]:
    """Who last opened the partition for writing; empty when nobody did, or nobody can tell."""
    try:
        found = json.loads((folder / _OWNER).read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _generations(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob(f"{_PREFIX}[0-9]*"))


def _replace(path: Path, text: str) -> None:
    # Not synced: after a power loss an empty CURRENT reads as no rows yet, and the owner writes them again.
    aside = path.with_name(f"{path.name}.{os.getpid()}")
    aside.write_text(text)
    aside.replace(path)


class Ticks:
    """A counter that a writer moves after each change and readers of any process compare, without a system call.

    Two writers (one of them paused and replaced) may move it to the same value; each move still follows its write, so
    a reader that sees the value has both writes before it.
    """

    def __init__(self, descriptor: int, access: int) -> None:
        self._memory = mmap.mmap(descriptor, _COUNTER.size, access=access)

    @classmethod
    def of_writer(cls, folder: Path) -> "Ticks":
        """The counter of a partition, made when there is none."""
        descriptor = os.open(folder / _TICKS, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            os.ftruncate(descriptor, _COUNTER.size)
            return cls(descriptor, mmap.ACCESS_WRITE)
        finally:
            os.close(descriptor)

    @classmethod
    def of_reader(cls, folder: Path) -> "Ticks | None":
        """The counter of a partition that was written before; none otherwise."""
        try:
            descriptor = os.open(folder / _TICKS, os.O_RDONLY)
        except FileNotFoundError:
            return None
        try:
            return cls(descriptor, mmap.ACCESS_READ) if os.fstat(descriptor).st_size else None
        finally:
            os.close(descriptor)

    @property
    def value(self) -> int:
        """Where the counter stands."""
        return int(_COUNTER.unpack_from(self._memory)[0])

    def move(self) -> None:
        """Say that something changed."""
        _COUNTER.pack_into(self._memory, 0, self.value + 1)

    def close(self) -> None:
        """Let the shared memory go."""
        self._memory.close()
