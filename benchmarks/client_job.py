"""What one contestant of the clients benchmark is asked, how it is timed, and how it answers: in a process of its own.

Needs nothing but Python and orjson, as Quix Streams runs in an environment without ours.
"""

import json
import sys
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import orjson

__all__ = [
    "BATCH_BYTES",
    "LINGER_MS",
    "WARM_UP",
    "Answer",
    "Contestant",
    "Job",
    "Stopwatch",
    "answer_job",
    "warm_and_timed",
]

# What the site client is built with; its peers get the same, and are idempotent with all acknowledgements as it is.
LINGER_MS, BATCH_BYTES = 5, 64 << 10
WARM_UP = 1_000


class Job(NamedTuple):
    """Produce the events of a file, or consume `num` records; the same topic and partitions for all."""

    bootstrap_servers: str
    topic: str
    num_partitions: int
    num: int
    file: str


class Answer(NamedTuple):
    """How many records took how long; `cpu_s` is processor time of all threads of the process."""

    records: int
    seconds: float
    cpu_s: float


Contestant = Callable[[Job], Answer]


class Stopwatch:
    """Counts records from a first moment to the last of them; what came at the first moment does not count."""

    def __init__(self, num: int) -> None:
        self._left, self._counted = num, 0
        self._start_s: float | None = None

    def saw(self, num: int) -> bool:
        """Note that records are in the reader's hands. True when they are all."""
        self._left -= num
        if self._start_s is None and num:
            self.start()
        else:
            self._counted += num
        return self._left <= 0

    def start(self) -> None:
        """From now on."""
        self._start_s, self._start_cpu_s = time.perf_counter(), time.process_time()

    def stop(self) -> Answer:
        """Until now."""
        assert self._start_s is not None, "nothing came"
        return Answer(self._counted, time.perf_counter() - self._start_s, time.process_time() - self._start_cpu_s)


def warm_and_timed(job: Job, send: Callable[[dict[str, Any]], object], flush: Callable[[], object]) -> Answer:
    """Send some events to connect and warm up, then time all of them, until the last is acknowledged."""
    events = [orjson.loads(line) for line in Path(job.file).read_bytes().splitlines()]
    for event in events[:WARM_UP]:
        send(event)
    flush()
    watch = Stopwatch(len(events))
    watch.start()
    for event in events:
        send(event)
    flush()
    watch.saw(len(events))
    return watch.stop()


def answer_job(contestants: Mapping[str, Contestant], libraries: tuple[str, ...]) -> None:
    """Do what the command line asks, NAME JOB, and print the answer as JSON."""
    answer = contestants[sys.argv[1]](Job(*json.loads(sys.argv[2])))
    versions = {name: version(name) for name in libraries}
    sys.stdout.write(json.dumps(answer._asdict() | {"versions": versions}) + "\n")
