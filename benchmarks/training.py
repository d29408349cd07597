"""Rows learned a second: our learner beside torch-rechub's trainer on an MMoE of the same shape and the same rows.

One thread on a CPU, by its processor time; contestants take turns. Ours is `FineTuner.learn` as the trainer calls it:
labels checked, features counted and dropped, losses of five tasks and of pairs, clipped gradients, AdamW, average
weights. The peer's is its own `train_one_epoch`: binary cross-entropy of five tasks, Adam. `with taste`: 96 answers a
slate are solved and learned from as well. A ratio above 1 is in our favour. Run `python -m benchmarks.training --json
FILE` (a minute); on a GPU with `--device cuda --rows 65536`.
"""

import argparse
import contextlib
import io
import json
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch_rechub.trainers import MTLTrainer

from benchmarks.machine import machine
from benchmarks.rechub_shape import dense_table, mmoe
from benchmarks.speed_load import SCHEMA, TASKS, as_features, examples, fit_content
from models.batch import Batch
from models.finetune import FineTuneConfig, FineTuner
from models.ranker import Ranker
from models.ranker_config import RankerConfig

__all__ = ["main"]

SLATE_SIZE, NUM_BATCHES, ROUNDS = 32, 4, 7
PEER = "torch-rechub MMoE"
SHAPES = {
    "full, with taste": RankerConfig(),
    "full, without taste": RankerConfig(taste_columns=0),
    "MMoE": RankerConfig(taste_columns=0, architecture="mmoe", num_shared_experts=5),
    "compact": RankerConfig.compact(),
}
GOAL = 2.0
Run = Callable[[], Any]


def own_run(config: RankerConfig, batches: Sequence[Batch], device: str) -> Run:
    """One pass over the batches."""
    tuner = FineTuner(FineTuneConfig(ranker=config), SCHEMA, TASKS, device=device, seed=0)
    fit_content(tuner.ranker, batches[0].content.to(device))

    def run() -> None:
        for batch in batches:
            tuner.learn(batch)

    return run


def peer_run(batches: Sequence[Batch], device: str) -> Run:
    """One pass of its trainer over the same rows; labels of tasks that are not known are 0, as it has no masks."""
    config = RankerConfig()
    num_experts = Ranker(config, SCHEMA, TASKS).experts.num_experts
    tables = [dense_table(as_features(batch)) for batch in batches]
    labels = [torch.stack([(batch.y[task.name] > 0).float() for task in TASKS], 1) for batch in batches]
    model = mmoe(tables[0], config, num_experts, len(TASKS))
    trainer = MTLTrainer(model, ["classification"] * len(TASKS), device=device)
    loaded = list(zip(tables, labels, strict=True))

    def run() -> None:
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(out):
            trainer.train_one_epoch(loaded)

    return run


def race(runs: dict[str, Run], num_rounds: int, device: str) -> dict[str, list[float]]:
    """Seconds of every pass, each contestant once a round; the first round warms up. On a CPU of processor time."""
    clock = time.perf_counter if device == "cuda" else time.thread_time
    times: dict[str, list[float]] = {name: [] for name in runs}
    for round_ in range(num_rounds + 1):
        for name, run in runs.items():
            start = clock()
            run()
            if device == "cuda":
                torch.cuda.synchronize()
            if round_:
                times[name].append(clock() - start)
    return times


def main() -> None:
    """Run, print, and write."""
    parser = argparse.ArgumentParser(description="rows learned a second")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--rows", type=int, default=4096, help="rows a step")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    ran_on = machine()
    rng, num_slates = np.random.default_rng(0), arguments.rows // SLATE_SIZE
    batches = [examples(rng, num_slates, SLATE_SIZE) for _ in range(NUM_BATCHES)]
    runs = {name: own_run(config, batches, arguments.device) for name, config in SHAPES.items()}
    times = race({**runs, PEER: peer_run(batches, arguments.device)}, arguments.rounds, arguments.device)
    num_rows = sum(batch.num_rows for batch in batches)
    rows_per_s = {name: num_rows / float(np.median(of_passes)) for name, of_passes in times.items()}
    result = {
        "machine": {**ran_on, "device": torch.cuda.get_device_name() if arguments.device == "cuda" else "cpu"},
        "versions": {name: version(name) for name in ("freshrank", "torch", "torch-rechub")},
        "facts": {
            "rows_a_step": batches[0].num_rows,
            "tasks": len(TASKS),
            "features": as_features(batches[0]).shape[1],
        },
        "own": {name: {"rows_per_s": rows_per_s[name]} for name in runs},
        "peers": {PEER: {"rows_per_s": rows_per_s[PEER]}},
        "ratios": {f"{name} / {PEER}": rows_per_s[name] / rows_per_s[PEER] for name in runs},
        "goals": {f"full, without taste / {PEER}": GOAL},
    }
    text = json.dumps(result, indent=2)
    if arguments.json:
        arguments.json.write_text(text + "\n")
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
