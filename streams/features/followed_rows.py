"""The rows of one view in one partition, as a reader in any process follows them.

A RocksDB secondary holds no lock. Catching up costs a millisecond or two, so it happens only when the owner's counter
has moved, and not more often than the allowed lag. It is not enough when the owner has flushed and removed the log that
the secondary had read in part: the secondary then answers from that part instead of from the newer files (measured: 23
of 400 rounds under a busy writer). So it is opened anew whenever that log is gone.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

from rocksdict import Rdict

from streams.features import generations
from streams.features.generations import Ticks
from streams.features.rocks_memory import RocksMemory
from streams.features.row_databases import newest_log, open_secondary, read_layout, read_records

__all__ = ["FollowedRows"]


class FollowedRows:
    """A partition that another process owns, as it stood at most `lag_s` before the last `refresh`.

    `scratch`: a folder of this reader alone, for RocksDB's notes about it.
    """

    def __init__(self, folder: Path, memory: RocksMemory, scratch: Path, lag_s: float) -> None:
        self._folder, self._memory, self._scratch, self._lag_s = folder, memory, scratch, lag_s
        self._ticks: Ticks | None = None
        self._db: Rdict | None = None
        self._name: str | None = None
        self._log: Path | None = None
        self._seen, self._checked_s = -1, float("-inf")

    def refresh(self, now_s: float) -> None:
        """Catch up with the owner, if it wrote since and the last time is `lag_s` past. `now_s` is monotonic."""
        if now_s - self._checked_s < self._lag_s:
            return
        self._checked_s = now_s
        if self._ticks is None:
            self._ticks = Ticks.of_reader(self._folder)
        if self._ticks is None:
            return
        # Read before catching up: what is written meanwhile moves the counter again.
        ticks = self._ticks.value
        if ticks != self._seen:
            name = generations.current(self._folder)
            self._follow(name)
            self._seen = -1 if name is None else ticks

    def get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The record of each key."""
        return [None] * len(keys) if self._db is None else read_records(self._db, keys)

    def names_of(self, layout: bytes) -> tuple[str, ...]:
        """The features of a record with this layout, in order."""
        return () if self._db is None else read_layout(self._db, layout)

    def close(self) -> None:
        """Let go of all files."""
        self._drop()
        if self._ticks is not None:
            self._ticks.close()
            self._ticks = None

    def _follow(self, name: str | None) -> None:
        if name is None:
            self.close()  # the view was removed; should it come back, its counter is another one
        elif name != self._name or not self._is_caught_up():
            self._open(name)

    def _is_caught_up(self) -> bool:
        if self._db is None or self._log is None:
            return False
        newest = newest_log(self._log.parent)
        try:
            self._db.try_catch_up_with_primary()
        except Exception:  # noqa: BLE001  # rocksdict raises no narrower; the owner may have removed files meanwhile
            return False
        # Logs are removed oldest first: if this one is there, every log was there when we read it, up to `newest`.
        is_whole = self._log.exists()
        self._log = newest
        return is_whole

    def _open(self, name: str) -> None:
        self._drop()
        self._name = name
        self._db, self._log = open_secondary(self._folder / name, self._memory, self._scratch)

    def _drop(self) -> None:
        if self._db is not None:
            self._db.close()
        self._db = self._name = None
        shutil.rmtree(self._scratch, ignore_errors=True)
