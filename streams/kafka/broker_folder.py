"""The folder of a local Kafka: whose it is, whether it is whole, and that only one broker uses it.

    DIR/log/               Kafka's data, and freshrank.json: the identity it was made with
    DIR/server.properties  DIR/broker.log  DIR/tmp/  DIR/in-use

Kafka itself starts on data of another cluster and notices a second broker too late: its raft thread has written by
then. So the identity is compared before, and a file lock is held that the Java process inherits and keeps for life.
"""

import fcntl
import json
import os
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from streams.errors import BrokerStartError
from streams.kafka.broker_config import NODE_ID

__all__ = ["BrokerFolder", "write_user"]

LOCK_WAIT_S = 5.0
"""A broker whose starter was killed needs a moment to leave the folder."""

_POLL_S = 0.05
_OURS = frozenset({"server.properties", "broker.log", "tmp", "in-use", "log.new"})


class BrokerFolder:
    """Paths and checks of one folder; starts nothing."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.log_folder = self.path / "log"
        self.properties = self.path / "server.properties"
        self.broker_log = self.path / "broker.log"
        self.temp = self.path / "tmp"

    @contextmanager
    def only_user(self, lock_wait_s: float = LOCK_WAIT_S) -> Iterator[int]:
        """Hold the folder's lock; yields the file descriptor that a child must inherit to keep it.

        Raises BrokerStartError when the folder cannot be written, or is in use for longer than `lock_wait_s`.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            mutex = (self.path / "in-use").open("a+")
        except OSError as error:
            raise BrokerStartError(
                f"the broker's folder {self.path} cannot be written ({error}); needed: a folder of our own; "
                "choose another with --data-dir"
            ) from error
        with mutex:
            if not _lock(mutex.fileno(), lock_wait_s):
                mutex.seek(0)
                raise BrokerStartError(
                    f"{self.path} is in use by another broker (process {mutex.read().strip() or 'unknown'}); needed: a "
                    "folder to itself; stop that broker, or choose another folder with --data-dir"
                )
            yield mutex.fileno()

    def prepare(self, format_log: Callable[[str, Path], None]) -> None:
        """Make the data folder, or check the one that is there.

        `format_log(cluster_id, folder)` fills a new folder; it appears under its name only when it is complete.
        Raises BrokerStartError for a foreign or damaged folder.
        """
        shutil.rmtree(self.temp, ignore_errors=True)
        self.temp.mkdir()
        if self.log_folder.exists():
            self._check()
            return
        foreign = sorted(p.name for p in self.path.iterdir() if p.name not in _OURS)
        if foreign:
            raise BrokerStartError(
                f"{self.path} holds files of something else (first: {foreign[0]}); needed: an empty folder, or one "
                "that an earlier run made; choose another with --data-dir"
            )
        fresh = self.path / "log.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir()
        cluster_id = _new_cluster_id()
        format_log(cluster_id, fresh)
        (fresh / "freshrank.json").write_text(json.dumps({"cluster_id": cluster_id, "node_id": NODE_ID}) + "\n")
        fresh.rename(self.log_folder)

    def _check(self) -> None:
        made_with, found = self._identity(), self._meta_properties()
        if found != made_with:
            raise self._damaged(f"meta.properties says {found}, but the folder was made with {made_with}")

    def _identity(self) -> dict[str, str]:
        path = self.log_folder / "freshrank.json"
        try:
            made = json.loads(path.read_text())
            return {"cluster.id": str(made["cluster_id"]), "node.id": str(made["node_id"])}
        except FileNotFoundError:
            raise BrokerStartError(
                f"{self.log_folder} was not made by freshrank (no {path.name} in it); needed: an empty folder, or one "
                "that an earlier run made; choose another with --data-dir"
            ) from None
        except (ValueError, KeyError, TypeError) as error:
            raise self._damaged(f"{path.name} is not readable ({error!r})") from error

    def _meta_properties(self) -> dict[str, str]:
        try:
            text = (self.log_folder / "meta.properties").read_text()
        except (FileNotFoundError, UnicodeDecodeError) as error:
            raise self._damaged(f"meta.properties is not readable ({type(error).__name__})") from error
        return dict(re.findall(r"^(cluster\.id|node\.id)=(\S*)$", text, flags=re.MULTILINE))

    def _damaged(self, what: str) -> BrokerStartError:
        return BrokerStartError(
            f"the broker's data in {self.log_folder} is damaged: {what}; needed: the folder as Kafka left it; restore "
            f"it from a copy, or delete {self.path} to start empty"
        )


def write_user(descriptor: int, pid: int) -> None:
    """Say in the lock file which process uses the folder, for the error that the next one gets."""
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"{pid}\n".encode())


def _lock(descriptor: int, wait_s: float) -> bool:
    nobody = threading.Event()
    for _ in range(1 + int(wait_s / _POLL_S)):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            nobody.wait(_POLL_S)
        else:
            return True
    return False


def _new_cluster_id() -> str:
    """Any word will do; a leading "-" would read as an option of the formatting tool."""
    return f"freshrank-{uuid4().hex[:12]}"
