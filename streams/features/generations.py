"""The files around a partition's row database: which generation counts, who writes it, and whether it changed.

A partition folder holds numbered databases (`gen-000001`, ...). A paused process keeps its lock on a database, so
whoever takes the partition over starts another generation beside it and names it as the successor in a file that can
be made only once (`after-000001`): of two that replace the same generation one is told that it came too late. The
newest successor counts. `TICKS` is a counter in shared memory: readers look at it instead of asking the database each
time.
"""

import json
import mmap
import os
import socket
import struct
from collections.abc import Mapping
from pathlib import Path

__all__ = [
    "Ticks",
    "current",
    "forget_old",
    "listing",
    "name_owner",
    "next_generation",
    "other_generations",
    "owner",
    "publish",
    "retract",
]

_OWNER, _TICKS, _PREFIX, _AFTER = "OWNER", "TICKS", "gen-", "after-"
# What the first generation comes after.
_NOTHING = f"{_PREFIX}000000"
_COUNTER = struct.Struct("<Q")


def current(folder: Path) -> str | None:
    """The generation that counts; none when the partition has no rows yet."""
    while successions := _successions(folder):
        try:
            return str((folder / successions[-1]).readlink())
        except FileNotFoundError:  # removed since, because a newer one counts
            continue
    return None


def listing(folder: Path) -> list[str]:
    """All names in a partition's folder. A successor is a new name: while none is new, the same generation counts."""
    try:
        return os.listdir(folder)  # noqa: PTH208  # twice a write: paths would cost more than the call
    except FileNotFoundError:
        return []


def next_generation(folder: Path) -> str:
    """A new empty generation, not yet the one that counts."""
    names = [*_generations(folder), *_successions(folder)]
    number = 1 + max((int(name.partition("-")[2]) for name in names), default=0)
    while True:
        name = f"{_PREFIX}{number:06d}"
        try:
            (folder / name).mkdir()
        except FileExistsError:
            number += 1
        else:
            return name


def publish(folder: Path, name: str, after: str | None) -> bool:
    """Make a generation count for every reader at once, after the one that did. False when another one does by now."""
    try:
        (folder / (after or _NOTHING).replace(_PREFIX, _AFTER)).symlink_to(name)
    except FileExistsError:
        return False
    # Files of old successions are removed, so one can be made again by who comes very late.
    return current(folder) == name


def retract(folder: Path) -> None:
    """Make no generation count, and tell the readers."""
    for succession in _successions(folder):
        (folder / succession).unlink(missing_ok=True)
    if (folder / _TICKS).exists():
        ticks = Ticks.of_writer(folder)
        ticks.move()
        ticks.close()


def other_generations(folder: Path, name: str) -> list[Path]:
    """Generations that count no more once `name` does."""
    return [folder / other for other in _generations(folder) if other != name]


def forget_old(folder: Path) -> None:
    """Remove what names generations that count no more."""
    for succession in _successions(folder)[:-1]:
        (folder / succession).unlink(missing_ok=True)


def name_owner(folder: Path) -> None:
    """Write down that this process writes the partition, for whoever finds it locked."""
    aside = folder / f"{_OWNER}.{os.getpid()}"
    aside.write_text(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}))
    aside.replace(folder / _OWNER)


def owner(folder: Path) -> Mapping[str, object]:
    """Who last opened the partition for writing; empty when nobody did, or nobody can tell."""
    try:
        found = json.loads((folder / _OWNER).read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _generations(folder: Path) -> list[str]:
    return _names(folder, _PREFIX)


def _successions(folder: Path) -> list[str]:
    return _names(folder, _AFTER)


def _names(folder: Path, prefix: str) -> list[str]:
    return sorted(name for name in listing(folder) if name.startswith(prefix))


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
