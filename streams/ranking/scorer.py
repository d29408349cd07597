"""The serving model: one batched forward for all lists at hand, swapped whole while it serves.

Version 0 means that no model is loaded: the click prediction is then the item's smoothed click rate, and other tasks
have none. A version must give finite predictions for a probe before it serves; the model clips its inputs and reads
missing ones as the mean, so what holds for the probe holds for any features.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from models.checkpoint import LoadedCheckpoint, load
from models.checkpoint_errors import CheckpointError
from models.content import Content, value_code
from models.explain import explain
from models.feature_schema import EVENT_KINDS, FeatureSchema
from models.inputs import History, RankerInputs
from models.prepared_rows import PreparedRows
from models.raised_taste import predict_raised
from models.ranker import Ranker
from models.ranker_config import RankerConfig
from models.tasks import CLICK_TASK, Task
from streams.features.catalogue import CatalogueColumns
from streams.ranking.item_sides import ItemSides
from streams.ranking.task import RankTask
from streams.ranking.task_inputs import task_inputs
from streams.ranking.thompson import Contest, chances
from streams.settings import RankingSettings

__all__ = [
    "Explained",
    "Float32",
    "ScoredLists",
    "Scorer",
    "Serving",
    "UnfitModelError",
    "compile_scoring",
    "load_model",
]

Float32 = NDArray[np.float32]
PROBE_SLATES, PROBE_ROWS, PROBE_ITEMS = 4, 64, 8
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


def compile_scoring(schema: FeatureSchema, tasks: Sequence[Task]) -> None:
    """Have what is compiled at first use ready, by scoring with a model that has learned nothing."""
    with torch.random.fork_rng():
        ranker = Ranker(RankerConfig(), schema, tasks).eval()
    ranker.freeze()
    _check(ranker, version=0)
    with torch.inference_mode():
        predict_raised(ranker, ranker.prepare(_probe(ranker)), torch.arange(PROBE_SLATES))
    chances([Contest([0, 1], [0.0, 0.0], [1.0, 1.0])], [0])


@dataclass(frozen=True, slots=True)
class Explained:
    """Of N items of a list: predictions, and those without each of the groups, by task name, float32[N] each.

    `taste_NA` by the user's answers and `taste_NG` by kernel group (`taste_groups`), zero wide without a taste layer or
    answers; see models/explain.py.
    """

    predictions: dict[str, Float32]
    without: dict[str, dict[str, Float32]]
    taste_groups: tuple[str, ...]
    taste_NA: Float32
    taste_NG: Float32


class Serving:
    """One version as it serves, and what it says of items.

    Weights never change, so a batch is scored by one version whatever is swapped meanwhile.
    """

    def __init__(self, version: int, ranker: Ranker | None) -> None:
        self.version = version
        self._ranker = ranker
        self._sides = None if ranker is None else ItemSides(ranker)

    def score(self, tasks: Sequence[RankTask], items: CatalogueColumns) -> "ScoredLists":
        """Every list as this version sees it. `items`: whose slots the tasks name."""
        if self._ranker is None or self._sides is None or not tasks:
            return ScoredLists([{CLICK_TASK: task.fallback_N} for task in tasks])
        found = task_inputs(tasks)
        with torch.inference_mode():
            prepared = self._ranker.prepare(found.inputs, self._sides.of(found.slot_M, items))
            predictions = self._ranker.predict_prepared(prepared)
        return ScoredLists(_lists(predictions, [len(task.slots) for task in tasks]), self._ranker, prepared)

    def explain(self, task: RankTask, items: CatalogueColumns) -> Explained | None:
        """Why the items of a list are predicted as they are; None without a model."""
        if self._ranker is None or self._sides is None:
            return None
        found = task_inputs([task])
        with torch.inference_mode():
            said = explain(self._ranker, found.inputs, self._sides.of(found.slot_M, items))
        without = {
            group: {
                name: (value_N - said.contributions[name][:, g]).numpy() for name, value_N in said.predictions.items()
            }
            for g, group in enumerate(said.groups)
        }
        predictions = {name: value_N.numpy() for name, value_N in said.predictions.items()}
        if said.taste is None:
            nothing = np.zeros((len(task.slots), 0), np.float32)
            return Explained(predictions, without, (), nothing, nothing)
        parts = said.taste
        return Explained(predictions, without, parts.groups, parts.by_answer_NA.numpy(), parts.by_group_NG.numpy())


class ScoredLists:
    """`predictions`: by task name, float32[N] each, of every list."""

    def __init__(
        self,
        predictions: list[dict[str, Float32]],
        ranker: Ranker | None = None,
        prepared: PreparedRows | None = None,
    ) -> None:
        self.predictions = predictions
        self._ranker, self._prepared = ranker, prepared

    def raised(self, rows: Sequence[NDArray[np.intp]]) -> list[dict[str, Float32]] | None:
        """Predictions at these rows of each list, if the user liked them one standard deviation more than is known.

        None without a model: nothing says then how much is known.
        """
        if self._ranker is None or self._prepared is None:
            return None
        starts = np.cumsum([0] + [len(next(iter(one.values()))) for one in self.predictions[:-1]])
        row_R = np.concatenate([start + of_list for start, of_list in zip(starts, rows, strict=True)])
        with torch.inference_mode():
            found = predict_raised(self._ranker, self._prepared, torch.from_numpy(row_R))
        return _lists(found, [len(of_list) for of_list in rows])


def _lists(predictions: dict[str, torch.Tensor], sizes: Sequence[int]) -> list[dict[str, Float32]]:
    """Rows of all lists, apart."""
    columns = {name: values.float().numpy() for name, values in predictions.items()}
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
        loaded.ranker.freeze()
        _check(loaded.ranker, version)
        self.serving = Serving(version, loaded.ranker)


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
    plain = RankerInputs.plain(user_SU, item_NI, cross_NX, torch.arange(PROBE_ROWS) % PROBE_SLATES)
    return replace(
        plain,
        content_N=torch.arange(PROBE_ROWS) % PROBE_ITEMS,
        content=_probe_content(schema, generator),
        history=_probe_history(generator),
    )


def _probe_content(schema: FeatureSchema, generator: torch.Generator) -> Content:
    """Items that share some values; one has none, and no numbers."""
    dense_MD = torch.randn(PROBE_ITEMS, len(schema.dense), generator=generator).numpy()
    codes = [[value_code(field, str(k % 3)) for field in range(len(schema.content))] for k in range(PROBE_ITEMS)]
    codes[0], dense_MD[0] = [], np.nan
    return Content.of_items(range(PROBE_ITEMS), [np.array(of_item, np.int32) for of_item in codes], list(dense_MD))


def _probe_history(generator: torch.Generator) -> History:
    """Every user answered every item, in their own way."""
    shape = PROBE_SLATES, PROBE_ITEMS
    everything = torch.arange(PROBE_ITEMS).repeat(PROBE_SLATES, 1)
    return History(
        answer_SA=everything,
        answer_y_SA=torch.randint(-1, 2, shape, generator=generator).float(),
        answer_logit_SA=torch.randn(shape, generator=generator),
        action_SH=everything,
        action_kind_SH=torch.randint(0, len(EVENT_KINDS), shape, generator=generator),
        action_age_s_SH=torch.rand(shape, generator=generator) * 1e6,
    )
