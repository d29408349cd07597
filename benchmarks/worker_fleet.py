"""Worker processes of the product on one machine, on a broker of the benchmark: started together, under one folder."""

import subprocess
import sys
import time
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Self

from streams.kafka.group_offsets import GroupOffsets
from streams.observability.status_reader import read_samples, read_status, sum_of
from streams.observability.web import read_run_file, run_file_path
from streams.settings import Settings
from streams.topics import topic_specs

__all__ = ["WorkerFleet"]

LOOK_S = 0.2


class WorkerFleet:
    """`num` workers of one group, with static member ids as `freshrank up` gives them. Use as a context manager."""

    def __init__(self, settings: Settings, num: int) -> None:
        self.settings, self._names = settings, [f"worker-{number}" for number in range(num)]
        self._topics = [topic_specs(settings)[short].name for short in ("events", "item-counts")]
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        self.settings.data_dir.mkdir(parents=True, exist_ok=True)
        for name in self._names:
            worker = self.settings.worker.model_copy(update={"instance_id": name})
            own = self.settings.model_copy(update={"worker": worker})
            with (self.settings.data_dir / f"{name}.log").open("ab") as log:
                command = [sys.executable, "-m", "streams.cli", "worker"]
                self._processes[name] = subprocess.Popen(command, env=own.child_env(), stdout=log, stderr=log)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            process.wait()

    @property
    def pids(self) -> dict[str, int]:
        """By name."""
        return {name: process.pid for name, process in self._processes.items()}

    def wait_ready(self) -> None:
        """Until every worker is ready and together they own every partition, each its share."""
        while True:
            owned = [len(self._status(name).get("partitions", ())) for name in self._names]
            if sum(owned) == self.settings.num_partitions and all(owned):
                return
            self.look()

    def look(self) -> None:
        """Wait a moment. Raises RuntimeError when a worker has ended by itself."""
        time.sleep(LOOK_S)
        for name, process in self._processes.items():
            if process.poll() is not None:
                said = (self.settings.data_dir / f"{name}.log").read_text()[-2000:]
                raise RuntimeError(f"{name} ended by itself; it said:\n{said}")

    def metric(self, name: str) -> float:
        """The sum of a metric over all workers and labels."""
        return sum(sum_of(read_samples(self._url(worker)), name) for worker in self._names)

    def num_left(self, offsets: GroupOffsets, topics: Iterable[str] | None = None) -> int:
        """Records that the group has not committed yet, of the topics that it reads, or of some of them."""
        committed = offsets.committed(self.settings.worker_group)
        ends = offsets.ends(self._topics if topics is None else topics)
        return sum(max(end - committed.get(place, 0), 0) for place, end in ends.items())

    def wait_consumed(self, offsets: GroupOffsets) -> None:
        """Until everything is consumed, rows included, and stays so for two looks."""
        calm = 0
        while calm < 2:
            calm = calm + 1 if self.num_left(offsets) == 0 else 0
            self.look()

    def _status(self, name: str) -> dict[str, Any]:
        found = read_run_file(run_file_path(self.settings.data_dir, name))
        if found is None or found.pid != self._processes[name].pid:
            return {}
        return read_status(found.url) or {}

    def _url(self, name: str) -> str:
        found = read_run_file(run_file_path(self.settings.data_dir, name))
        return found.url if found is not None else ""
