"""What it costs a round to be recorded, in milliseconds, beside the round itself: 256 seeded slates, all default tasks.

`cells`: counting the predictions; `journal`: all that is written, of which `history` and `tensorboard` are the parts.
`python -m benchmarks.round_journal --json FILE` (a minute).
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

import numpy as np
import torch

from benchmarks.machine import machine
from models.tasks import DEFAULT_TASKS, Task
from streams.examples.records import Shown, encode_array
from streams.settings import Settings, TrainingSettings
from streams.training.buffered_slate import BufferedSlate, ReadySlate, TaskLabels
from streams.training.examples_to_batch import to_batch
from streams.training.learner import Learner
from streams.training.predicted_rows import PredictedBatch
from streams.training.prediction_cells import round_cells
from streams.training.round_history import HISTORY_FILE, RoundHistory, read_rounds
from streams.training.round_journal import RoundJournal
from streams.training.tensorboard_log import TensorBoardLog

__all__ = ["measure"]

Result = TypeVar("Result")
NUM_SLATES, SLATE_ITEMS, NUM_ROUNDS = 256, 10, 8
SCHEMA = Settings().catalogue.schema_
RATES = {"click": 0.15, "cart": 0.05, "order": 0.03, "order_cancelled": 0.1, "dislike": 0.03, "quick_back": 0.3}


def slates(number: int) -> list[ReadySlate]:
    """One round's slates: random features, labels of every task on every row."""
    rng = np.random.default_rng(number)
    items = [f"i{k}" for k in range(SLATE_ITEMS)]
    found = []
    for k in range(NUM_SLATES):
        shown = Shown(
            slate_id=f"{number}-{k}",
            user_id=f"u{rng.integers(100)}",
            surface="home",
            shown_at_ms=1_700_000_000_000 + 1000 * (number * NUM_SLATES + k),
            items=items,
            positions=list(range(SLATE_ITEMS)),
            kinds=["product"] * SLATE_ITEMS,
            feature_schema=SCHEMA.hash,
            user=_features(rng, 1, len(SCHEMA.user)),
            item=_features(rng, SLATE_ITEMS, len(SCHEMA.item)),
            cross=_features(rng, SLATE_ITEMS, len(SCHEMA.cross)),
        )
        labels = {task.name: TaskLabels(1, items, _values(task, rng)) for task in DEFAULT_TASKS}
        slate = BufferedSlate(shown.user_id, shown.slate_id, (shown,), labels)
        found.append(ReadySlate(number * NUM_SLATES + k + 1, slate, tuple(sorted(labels))))
    return found


def _features(rng: np.random.Generator, num_rows: int, width: int) -> str:
    return encode_array(rng.normal(size=(num_rows, width)).astype(np.float32))


def _values(task: Task, rng: np.random.Generator) -> list[float]:
    if task.is_seconds:
        return [float(seconds) for seconds in np.exp(rng.normal(3, 1, SLATE_ITEMS))]
    return [float(value) for value in rng.random(SLATE_ITEMS) < RATES[task.name]]


def predicted(entries: list[ReadySlate]) -> list[PredictedBatch]:
    """The slates with invented predictions, in steps of 16."""
    rng, found = np.random.default_rng(0), []
    for start in range(0, len(entries), 16):
        held = to_batch(entries[start : start + 16], SCHEMA, DEFAULT_TASKS, "judge")
        live = {task.name: rng.beta(1, 8, held.batch.num_rows) for task in DEFAULT_TASKS}
        found.append(PredictedBatch(held.batch, held.shown_at_ms_S, live, live))
    return found


def timed_ms(work: Callable[[], Result]) -> tuple[float, Result]:
    """Milliseconds of wall clock, and what came of it."""
    started_s = time.perf_counter()
    found = work()
    return (time.perf_counter() - started_s) * 1000, found


def measure() -> dict[str, float]:
    """Medians over the rounds after the first, in milliseconds; bytes are of one round."""
    learner = Learner(TrainingSettings(device="cpu"), SCHEMA, DEFAULT_TASKS)
    spent: dict[str, list[float]] = {name: [] for name in ("round", "cells", "journal", "history", "tensorboard")}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        journal = RoundJournal(folder, DEFAULT_TASKS, 1)
        parts = RoundHistory(folder / "again"), TensorBoardLog(folder / "again" / "events", DEFAULT_TASKS, 1)
        for number in range(1, NUM_ROUNDS + 1):
            entries = slates(number)
            spent["round"].append(timed_ms(partial(learner.run_round, entries, lambda *_: [], number))[0])
            ms, cells = timed_ms(partial(round_cells, predicted(entries), DEFAULT_TASKS))
            spent["cells"].append(ms)
            report = replace(learner.run_round(entries[:64], lambda *_: [], number), cells=cells)
            spent["journal"].append(timed_ms(partial(journal.write, report, number, number, 0))[0])
            record = read_rounds(folder / "trainer" / HISTORY_FILE)[-1]
            spent["history"].append(timed_ms(partial(parts[0].append, record))[0])
            spent["tensorboard"].append(timed_ms(partial(parts[1].write, record))[0])
        journal.close()
        parts[1].close()
        history_bytes = (folder / "trainer" / HISTORY_FILE).stat().st_size
        event_bytes = sum(path.stat().st_size for path in (folder / "tensorboard").iterdir())
    sizes = {"history_bytes": history_bytes / NUM_ROUNDS, "tensorboard_bytes": event_bytes / NUM_ROUNDS}
    return {**{f"{name}_ms": median(values[1:]) for name, values in spent.items()}, **sizes}


def main() -> None:
    """Run, print, and write."""
    parser = argparse.ArgumentParser(description="what recording a round costs")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    given = parser.parse_args()
    torch.set_num_threads(1)
    result: dict[str, Any] = {"machine": machine(), **{name: round(value, 2) for name, value in measure().items()}}
    print(json.dumps(result, indent=2))
    if given.json:
        given.json.write_text(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
