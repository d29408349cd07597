"""torch-rechub's MMoE and PLE on our captured features, with its own trainer: BCE, Adam, several epochs, then frozen.

Inputs are standardised and clipped as ours are. The number of epochs is chosen on the last fifth of the training
lists by AUC, as its trainer does; then all of them are learned with it.
"""

import contextlib
import io
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch_rechub.basic.features import DenseFeature
from torch_rechub.models.multi_task import MMOE, PLE
from torch_rechub.trainers import MTLTrainer

from benchmarks.example_table import ExampleTable
from benchmarks.quality_figures import Ranked
from models.normaliser import Normaliser

__all__ = ["mmoe", "ple"]

MAX_EPOCHS, BATCH_ROWS = 6, 1536
EXPERT = {"dims": [64, 32], "activation": "relu"}
TOWER = {"dims": [32]}
OPTIMISER = {"lr": 2e-3, "weight_decay": 1e-4}
Build = Callable[[list[Any]], torch.nn.Module]
Float32 = NDArray[np.float32]


def mmoe(learned: ExampleTable, held_out: ExampleTable, test: ExampleTable, seed: int) -> Ranked:
    """Six shared experts. The log has one task, so one gate and one tower."""
    return _run(lambda features: MMOE(features, ["classification"], 6, EXPERT, [TOWER]), learned, held_out, test, seed)


def ple(learned: ExampleTable, held_out: ExampleTable, test: ExampleTable, seed: int) -> Ranked:
    """One level, three shared experts and one of the task."""
    return _run(
        lambda features: PLE(features, ["classification"], 1, 1, 3, EXPERT, [TOWER]), learned, held_out, test, seed
    )


class _Batches:
    """Batches as its trainer takes them, cut from whole arrays: its own loader would go row by row."""

    def __init__(self, values_NF: Float32, y_N: NDArray[np.float64]) -> None:
        self._x, self._y = torch.from_numpy(values_NF), torch.from_numpy(y_N).float().unsqueeze(1)

    def __iter__(self) -> Iterator[Any]:
        for rows in torch.split(torch.randperm(len(self._x)), BATCH_ROWS):
            yield {"features": self._x[rows]}, self._y[rows]


def _run(build: Build, learned: ExampleTable, held_out: ExampleTable, test: ExampleTable, seed: int) -> Ranked:
    norm = Normaliser(learned.features_NF.shape[1])
    norm.observe(torch.from_numpy(learned.features_NF))
    parts = [norm(torch.from_numpy(part.features_NF)).numpy() for part in (learned, held_out, test)]
    width = parts[0].shape[1]
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(out):
        first = _trainer(build, width, seed)
        scores = []
        for _ in range(MAX_EPOCHS):
            first.train_one_epoch(_Batches(parts[0], learned.y_N))
            scores.append(first.evaluate(first.model, _Batches(parts[1], held_out.y_N))[0])
        second = _trainer(build, width, seed)
        for _ in range(int(np.argmax(scores)) + 1):
            second.train_one_epoch(_Batches(np.concatenate(parts[:2]), np.concatenate([learned.y_N, held_out.y_N])))
    with torch.no_grad():
        p_N = second.model.eval()({"features": torch.from_numpy(parts[2])})[:, 0].double().numpy()
    return Ranked(p_N, p_N)


def _trainer(build: Build, num_features: int, seed: int) -> Any:  # noqa: ANN401
    torch.manual_seed(seed)
    model = build([DenseFeature("features", num_features)])
    return MTLTrainer(model, ["classification"], optimizer_params=OPTIMISER, device="cpu")
