"""A long run: `python -m tests.fuzz --records 1000000 --seed 1`. Ends with 0 when nothing went wrong.

`--log FILE --format metarank` damages the events of a real log instead of those of the seeded shop, over and over.
"""

import argparse
import asyncio
import os
import platform
import tempfile
from collections.abc import Iterator
from pathlib import Path

import orjson

from streams.events.checked_log import checked_records
from streams.events.importers import read_log
from streams.events.log_file import LogFile
from tests.fuzz.long_run import Progress, fuzz

MIB = 1 << 20
# Buffers of the databases and of the history fill first; what comes after that must stay.
WARM_FRAC = 0.2
GROWTH_MAX_BYTES, BYTES_PER_ITEM = 64 * MIB, 4096


def main() -> None:
    """Run, print a line now and then, and judge the memory at the end."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--log", help="events to damage; the seeded shop when left out")
    parser.add_argument("--format", choices=["freshrank", "metarank"], default="freshrank")
    given = parser.parse_args()
    print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}, seed {given.seed}")
    seen: list[Progress] = []

    def say(progress: Progress) -> None:
        seen.append(progress)
        print(line(progress), flush=True)

    log = None if given.log is None else endless(given.log, given.format)
    with tempfile.TemporaryDirectory(prefix="freshrank-fuzz-") as folder:
        every = max(1, given.records // 20)
        worker = asyncio.run(fuzz(Path(folder), given.records, given.seed, say, every=every, log=log))
    print("taken:", dict(sorted(worker.taken.items())))
    print("refused:", dict(worker.reasons.most_common()))
    print(judged(seen))


def line(progress: Progress) -> str:
    """One line of a table."""
    refused = progress.taken["refused"]
    return (
        f"{progress.records:>10,} records  {refused:>9,} refused  RSS {progress.rss_bytes / MIB:7.1f} MiB  "
        f"{progress.num_items:>7,} item ids  slowest {progress.slowest_s:5.2f} s  {progress.records_per_s:7,.0f}/s"
    )


def judged(seen: list[Progress]) -> str:
    """Memory after the warm-up. Raises AssertionError when it grew by more than the bound."""
    warm = next(one for one in seen if one.records >= WARM_FRAC * seen[-1].records)
    grown = seen[-1].rss_bytes - warm.rss_bytes
    allowed = GROWTH_MAX_BYTES + BYTES_PER_ITEM * (seen[-1].num_items - warm.num_items)
    told = f"memory grew by {grown / MIB:.1f} MiB after {warm.records:,} records, {allowed / MIB:.1f} are allowed"
    assert grown <= allowed, told
    return f"passed: {told}"


def endless(file: str, log_format: str) -> Iterator[bytes]:
    """The valid events of a log, again and again, under new ids and later."""
    turn, shift_ms, first_ms, last_ms = 0, 0, 0, 0
    while True:
        for record in checked_records(read_log(LogFile(file), log_format)):  # type: ignore[arg-type]
            if record.topic != "events" or record.refusal is not None:
                continue
            event = dict(record.value)
            at_ms = event["occurred_at_ms"]
            first_ms, last_ms = first_ms or at_ms, max(last_ms, at_ms)
            event["occurred_at_ms"] = at_ms + shift_ms
            for name in {"event_id", "slate_id", "request_id"} & event.keys():
                event[name] = f"{turn}.{event[name]}"
            yield orjson.dumps(event)
        turn, shift_ms = turn + 1, shift_ms + last_ms - first_ms


if __name__ == "__main__":
    main()
