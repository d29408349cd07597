"""How the learner deals with what streams do, on the seeded shop: dwell, late orders, seasons, tasks, lost sources.

Run `python -m benchmarks.learning --json FILE`; `--only forgetting` runs one of them. The shop's true chances are
known, so AUC is in expectation over the labels. Minutes to a quarter of an hour each, on one thread.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks.learning_dwell import dwell_heads
from benchmarks.learning_forgetting import forgetting
from benchmarks.learning_orders import late_orders
from benchmarks.learning_tasks import balancers_and_single_tasks, missing_groups
from benchmarks.machine import machine

__all__ = ["main"]

EXPERIMENTS: dict[str, Callable[[range], dict[str, dict[str, float]]]] = {
    "dwell": dwell_heads,
    "forgetting": forgetting,
    "orders": late_orders,
    "tasks": balancers_and_single_tasks,
    "missing": missing_groups,
}


def main() -> None:
    """Run the experiments and print what they found, as JSON."""
    parser = argparse.ArgumentParser(description="The learner on the seeded shop.")
    parser.add_argument("--only", choices=EXPERIMENTS, nargs="+", default=list(EXPERIMENTS), help="these alone")
    parser.add_argument("--seeds", type=int, default=3, help="runs of each, seeds 0, 1, …")
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    facts: dict[str, Any] = {"machine": machine(), "seeds": arguments.seeds}
    for name in arguments.only:
        started_s = time.monotonic()
        found = EXPERIMENTS[name](range(arguments.seeds))
        facts[name] = {**found, "seconds": round(time.monotonic() - started_s)}
        sys.stderr.write(f"{name}: {json.dumps(facts[name])}\n")
        sys.stderr.flush()
    text = json.dumps(facts, indent=2)
    if arguments.json is not None:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(text)
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
