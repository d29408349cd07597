"""`make chaos`: `python -m tests.chaos --kills 200 --seed 1`. Exit code 1 when anything was lost, doubled or wrong."""

import argparse
import asyncio
import logging
import secrets
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from benchmarks.machine import machine
from streams.clock import SystemClock
from tests.chaos.plan import ALL_FAULTS, make_plan
from tests.chaos.run import RunReport, run
from tests.chaos.site import Layout
from tests.recovery.role_nursery import RoleNursery

SHOWN = 20


def layouts() -> Iterator[Layout]:
    """One folder and hosts of their own, in turns."""
    while True:
        yield Layout(is_spread=False, num_workers=2, tasks=("click", "cart"))
        yield Layout(is_spread=True, num_workers=2)


def main() -> int:
    """Runs until there were enough kills, or one of them was wrong."""
    options = _options()
    # Our own clients say much about a broker that is away.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    print(f"chaos: seed {options.seed}, {options.kills} kills; {machine()}", flush=True)
    kills: Counter[str] = Counter()
    seconds = 0.0
    with RoleNursery() as nursery:
        for number, layout in enumerate(islice(layouts(), options.layout, None)):
            left = options.kills - kills.total()
            if left <= 0:
                break
            report = _one(
                nursery, layout, options.seed + number, min(left, options.kills_per_run), is_quiet=options.quiet
            )
            kills += report.kills
            seconds += report.seconds
            if report.wrong:
                return 1
    print(f"chaos: {kills.total()} kills ({dict(kills)}) in {seconds:.0f} s: nothing lost, nothing double")
    return 0


def _one(nursery: RoleNursery, layout: Layout, seed: int, num_kills: int, *, is_quiet: bool) -> RunReport:
    folder = Path(tempfile.mkdtemp(prefix="freshrank-chaos-"))
    print(f"run with seed {seed}: {num_kills} kills, {layout}; in {folder}", flush=True)

    clock = SystemClock()
    began_s = clock.monotonic_s()

    def say(words: str) -> None:
        if not is_quiet:
            print(f"  {clock.monotonic_s() - began_s:6.1f} s: {words}", flush=True)

    report = asyncio.run(run(nursery, folder, layout, make_plan(seed, num_kills, ALL_FAULTS), seed=seed, say=say))
    print(f"  {report.num_events} events, {report.num_slates} slates, {report.num_clicked} clicks on them, ", end="")
    print(f"{report.num_rankings} rankings, ", end="")
    print(f"{report.num_versions} models; killed {dict(report.kills)}, done {dict(report.done)}, ", end="")
    print(f"skipped {dict(report.skipped)}; ", end="")
    print(f"settled in {report.settle_seconds:.1f} s, all in {report.seconds:.0f} s", flush=True)
    if report.wrong:
        print(f"WRONG with seed {seed}: {len(report.wrong)} differences; first ones:")
        print("\n".join(f"  {one}" for one in report.wrong[:SHOWN]))
        print(f"repeat: python -m tests.chaos --seed {seed} --kills {num_kills}; everything is in {folder}")
    else:
        shutil.rmtree(folder)
    return report


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--kills-per-run", type=int, default=50, help="each run ends with an audit")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--quiet", action="store_true")
    parser.add_argument("--layout", type=int, default=0, help="of the first run: 0 one folder, 1 hosts of their own")
    options = parser.parse_args()
    if options.seed is None:
        options.seed = secrets.randbelow(1_000_000)
    return options


if __name__ == "__main__":
    sys.exit(main())
