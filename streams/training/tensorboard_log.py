"""Every round as TensorBoard events, by PyTorch's own writer: one run in one folder, steps are rounds.

Scalars by figure and task, and a histogram of predictions per task. A file holds a limited number of rounds, and the
oldest files leave beyond `MAX_BYTES`. What a killed trainer wrote of a round that is repeated is purged.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.tensorboard import SummaryWriter

from models.tasks import Task
from streams.training.prediction_cells import bin_edges, cell_table

__all__ = ["TensorBoardLog", "scalars_of"]

MAX_BYTES = 256 << 20
ROUNDS_PER_FILE = 500
FLUSH_S = 3600
"""Each round is flushed by itself."""


class TensorBoardLog:
    """Writes rounds from `first_round` on. Raises OSError when the disk refuses; the next round then starts anew."""

    def __init__(self, folder: Path, tasks: Sequence[Task], first_round: int) -> None:
        self._folder, self._tasks, self._purge_step = folder, tuple(tasks), first_round
        self._writer: SummaryWriter | None = None
        self._num_in_file = 0

    def write(self, record: Mapping[str, Any]) -> None:
        """One round, as round_journal.py records it; on disk when this returns."""
        step = record["round"]
        try:
            writer = self._open(step)
            for tag, value in scalars_of(record).items():
                writer.add_scalar(tag, value, step)
            for task in self._tasks:
                _add_histogram(writer, task, record["cells"].get(task.name, ()), step)
            writer.flush()
        except OSError:
            self._writer, self._purge_step = None, step
            raise
        self._num_in_file += 1

    def close(self) -> None:
        """Release the file."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _open(self, step: int) -> SummaryWriter:
        if self._num_in_file >= ROUNDS_PER_FILE:
            self.close()
            self._purge_step = step
        if self._writer is None:
            self._drop_oldest()
            self._num_in_file = 0
            self._writer = SummaryWriter(
                str(self._folder), purge_step=self._purge_step, flush_secs=FLUSH_S, filename_suffix=f".{step:08d}"
            )
        return self._writer

    def _drop_oldest(self) -> None:
        files = sorted(self._folder.glob("events.out.tfevents.*"), key=lambda path: path.stat().st_mtime)
        num_bytes = sum(path.stat().st_size for path in files)
        for path in files:
            if num_bytes <= MAX_BYTES:
                return
            num_bytes -= path.stat().st_size
            path.unlink()


def scalars_of(record: Mapping[str, Any]) -> dict[str, float]:
    """Figures of a round by tag, `figure/task`; `validation_…` are of predictions made before the rows were learned."""
    groups: dict[str, Mapping[str, Any]] = {
        "train_loss": record["losses"],
        "task_weight": record["task_weights"],
        "gradient_cosine": {pair.replace("/", "-"): value for pair, value in record["gradient_cosines"].items()},
        "gate_change": {task: verdict["change"] for task, verdict in record["gate"]["tasks"].items()},
        "round": {name: record[name] for name in ("num_slates", "num_capped", "num_skipped", "num_steps_skipped")},
        "gate": {"is_promoted": float(record["decision"] == "published")},
    }
    for task in record["progressive"]:
        for name, value in {**record["progressive"][task], **record["decided"].get(task, {})}.items():
            prefix = "" if name.startswith("champion_") else "validation_"
            groups.setdefault(f"{prefix}{name}", {})[task] = value  # type: ignore[index]
    return {
        f"{group}/{name}": value
        for group, by_name in groups.items()
        for name, value in by_name.items()
        if value is not None
    }


def _add_histogram(writer: SummaryWriter, task: Task, cells: Sequence[Sequence[float]], step: int) -> None:
    table, edges = cell_table(cells), bin_edges(task)
    occupied = np.flatnonzero(table[:, 0])
    if not len(occupied):
        return
    first, last = int(occupied[0]), int(occupied[-1])
    rows, middle = table[first : last + 1, 0], (edges[first : last + 1] + edges[first + 1 : last + 2]) / 2
    writer.add_histogram_raw(
        f"predictions/{task.name}",
        min=float(edges[first]),
        max=float(edges[last + 1]),
        num=int(rows.sum()),
        sum=float(table[:, 1].sum()),
        sum_squares=float((rows * middle**2).sum()),
        bucket_limits=edges[first + 1 : last + 2].tolist(),
        bucket_counts=rows.tolist(),
        global_step=step,
    )
