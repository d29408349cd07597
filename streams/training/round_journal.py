"""Keeps what each round came to, for people: the history that reports are made from, and TensorBoard's event files.

Learning never depends on it: what the disk refuses is told in the log, and the rounds go on.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import structlog

from models.tasks import Task
from streams.training.decisions import best_bin, decided
from streams.training.learner import RoundReport
from streams.training.prediction_cells import bin_edges, cell_table
from streams.training.round_history import HISTORY_FILE, RoundHistory, read_rounds
from streams.training.tensorboard_log import TensorBoardLog
from streams.training.verdicts import plain

__all__ = ["RoundJournal", "decision_of"]

log = structlog.get_logger(__name__)
# Rounds whose rows choose the threshold of a yes or no (decisions.py).
THRESHOLD_ROUNDS = 64


def decision_of(report: RoundReport, published: int | None) -> str:
    """What became of a round's challenger: `published`, `refused`, or a former champion was `rolled_back` to."""
    return "rolled_back" if report.live.restored else "refused" if published is None else "published"


class RoundJournal:
    """Journal of the trainer in `data_dir`, whose next round is `next_round`."""

    def __init__(self, data_dir: Path, tasks: Sequence[Task], next_round: int) -> None:
        self._tasks = tuple(tasks)
        folder = data_dir / "trainer"
        self._history = RoundHistory(folder)
        self._tensorboard = TensorBoardLog(data_dir / "tensorboard", tasks, next_round)
        before = [record for record in _known(folder / HISTORY_FILE) if record["round"] < next_round]
        self._tables_before = deque(
            (self._tables(record["cells"]) for record in before[-THRESHOLD_ROUNDS:]), THRESHOLD_ROUNDS
        )

    def write(self, report: RoundReport, number: int, published: int | None, at_ms: int) -> None:
        """Keep one round: its number, the version it published, and when it began."""
        facts = {
            "round": number,
            "at_ms": at_ms,
            "decision": decision_of(report, published),
            "version": published,
            **report.as_json(),
            "cells": report.cells.rows,
            "lists": report.cells.lists,
            "decided": self._decided(report.cells.rows),
        }
        record = plain(facts)
        self._try("round_history_not_written", self._history.append, record)
        self._try("tensorboard_not_written", self._tensorboard.write, record)

    def close(self) -> None:
        """Release the files."""
        self._tensorboard.close()

    def _decided(self, cells: Mapping[str, Sequence[Sequence[float]]]) -> dict[str, dict[str, float]]:
        """Figures at each task's threshold, chosen on the rounds before this one."""
        tables, found = self._tables(cells), {}
        for task in self._tasks:
            earlier = [table[task.name] for table in self._tables_before if task.name in table]
            first_yes = best_bin(np.sum(earlier, axis=0)) if earlier else None
            if first_yes is not None and task.name in tables:
                threshold = float(bin_edges(task)[first_yes])
                found[task.name] = {"threshold": threshold, **decided(tables[task.name], first_yes)}
        self._tables_before.append(tables)
        return found

    def _tables(self, cells: Mapping[str, Sequence[Sequence[float]]]) -> dict[str, Any]:
        return {
            task.name: cell_table(cells[task.name])
            for task in self._tasks
            if not task.is_seconds and task.name in cells
        }

    @staticmethod
    def _try(event: str, write: Callable[[Mapping[str, Any]], None], record: Mapping[str, Any]) -> None:
        try:
            write(record)
        except OSError as error:
            log.warning(event, round=record["round"], reason=str(error))


def _known(path: Path) -> list[dict[str, Any]]:
    try:
        return read_rounds(path)
    except OSError as error:
        log.warning("round_history_not_read", path=str(path), reason=str(error))
        return []
