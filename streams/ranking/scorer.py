"""The serving model: one batched forward for all lists at hand, swapped whole while it serves.

Version 0 means that no model is loaded: the click prediction is then the item's smoothed click rate, and other tasks
have none. A version must give finite predictions for a probe before it serves; the model clips its inputs and reads
missing ones as the mean, so what holds for the probe holds for any features.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from models.checkpoint import LoadedCheckpoint, load
from models.checkpoint_errors import CheckpointError
from models.inputs import RankerInputs
from models.ranker import Ranker
from models.tasks import CLICK_TASK
from streams.ranking.task import RankTask
from streams.settings import RankingSettings

__all__ = ["Float32", "Scorer", "Serving", "UnfitModelError", "load_model"]

Float32 = NDArray[np.float32]
PROBE_SLATES, PROBE_ROWS = 4, 64
# Log-scaled features stay far below.
PROBE_EXTREME = 1e6


class UnfitModelError(CheckpointError):
    """A version whose predictions cannot be served. Operator: roll back the trainer, or retrain."""


def load_model(folder: Path, schema_hash: str, task_hash: str) -> LoadedCheckpoint:
    """The version in `folder`, verified byte by byte.

    Raises models.checkpoint.CheckpointError with the reason when it is missing, torn, altered, or made for other
    features or tasks than these hashes name.
    """
    return load(folder, schema_hash, task_hash)


class Serving:
    """One version as it serves. It never changes, so a batch is scored by one version whatever is swapped meanwhile."""

    def __init__(self, version: int, ranker: Ranker | None) -> None:
        self.version = version
        self._ranker = ranker

    def score(self, tasks: Sequence[RankTask]) -> list[dict[str, Float32]]:
        """Predictions by task name, float32[N] each, for every list."""
        if self._ranker is None or not tasks:
            return [{CLICK_TASK: task.fallback_N} for task in tasks]
        sizes = [len(task.slots) for task in tasks]
        columns = _predict(self._ranker, tasks, sizes)
        ends = np.cumsum(sizes).tolist()
        return [
            {name: column_R[end - size : end] for name, column_R in columns.items()}
            for end, size in zip(ends, sizes, strict=True)
        ]


class Scorer:
    """Holds the version that serves."""

    def __init__(self, settings: RankingSettings) -> None:
        torch.set_num_threads(settings.threads)
        self.serving = Serving(0, None)

    @property
    def version(self) -> int:
        """Of the model that serves; 0 for none."""
        return self.serving.version

    def swap(self, loaded: LoadedCheckpoint) -> None:
        """Serve this version from the next batch on.

        Raises UnfitModelError when it predicts anything that cannot be served; the one before then goes on.
        """
        version = int(loaded.manifest["version"])
        _check(loaded.ranker, version)
        self.serving = Serving(version, loaded.ranker)

    def score(self, tasks: Sequence[RankTask]) -> list[dict[str, Float32]]:
        """Predictions by task name, float32[N] each, for every list."""
        return self.serving.score(tasks)


def _predict(ranker: Ranker, tasks: Sequence[RankTask], sizes: Sequence[int]) -> dict[str, Float32]:
    """float32[R] per task over the rows of all lists."""
    user_SU = torch.from_numpy(np.stack([task.user_U for task in tasks]))
    item_RI = torch.from_numpy(np.concatenate([task.item_NI for task in tasks]))
    cross_RX = torch.from_numpy(np.concatenate([task.cross_NX for task in tasks]))
    slate_R = torch.from_numpy(np.repeat(np.arange(len(tasks)), sizes))
    with torch.inference_mode():
        predictions = ranker.predict(RankerInputs.plain(user_SU, item_RI, cross_RX, slate_R))
        return {name: values.float().numpy() for name, values in predictions.items()}


def _check(ranker: Ranker, version: int) -> None:
    with torch.inference_mode():
        predictions = ranker.predict(_probe(ranker))
    bad = sorted(
        name for name, values in predictions.items() if not bool(torch.isfinite(values).all() and (values >= 0).all())
    )
    if bad:
        raise UnfitModelError(
            f"model version {version} predicts values that are negative or not finite for {', '.join(bad)}; "
            "probabilities and log seconds are needed; the version before goes on, retrain or roll back"
        )


def _probe(ranker: Ranker) -> RankerInputs:
    """Ordinary, missing and extreme features, the same for every version."""
    generator = torch.Generator().manual_seed(0)
    schema = ranker.schema
    item_NI = torch.randn(PROBE_ROWS, len(schema.item), generator=generator)
    cross_NX = torch.randn(PROBE_ROWS, len(schema.cross), generator=generator)
    user_SU = torch.randn(PROBE_SLATES, len(schema.user), generator=generator)
    for rows in (item_NI, cross_NX, user_SU):
        rows[0], rows[1], rows[2] = torch.nan, PROBE_EXTREME, -PROBE_EXTREME
    return RankerInputs.plain(user_SU, item_NI, cross_NX, torch.arange(PROBE_ROWS) % PROBE_SLATES)
