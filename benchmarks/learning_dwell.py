"""Seconds of visits that depend on the category more than on interest: the ordinal head beside regressions.

The same net, stream, seeds and rates; only the loss of the dwell task differs. XAUC and the mean bias are over clicked
rows of the last two fifths of the stream, each predicted before it was learned.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.shop import Block, ShopSpec, blocks, joined
from benchmarks.shop_learner import STEP_SLATES, Learning, ShopLearner, mean_and_spread
from models.batch import Batch
from models.metrics import xauc
from models.ordinal import survival
from models.ranker import Ranker
from models.tasks import DEFAULT_TASKS

__all__ = ["dwell_heads"]

Float64 = NDArray[np.float64]

TASK = "dwell"
LOSSES = ("ordinal", "huber", "mse")
SCORED_FROM = 0.6


def dwell_heads(seeds: range) -> dict[str, dict[str, float]]:
    """By loss: XAUC of the expected log seconds and of the expected seconds; mean predicted over mean observed seconds.

    A regression's seconds are exp(prediction) - 1, as a user of it would have them: the same order.
    """
    found: dict[str, dict[str, list[float]]] = {loss: defaultdict(list) for loss in LOSSES}
    for seed in seeds:
        shop = joined(list(blocks(ShopSpec(seed=seed, num_slates=5000, open_logit=-0.5))))
        for loss in LOSSES:
            log_s_N, seconds_N, y_N = _predicted(shop, loss, seed)
            found[loss]["xauc"].append(xauc(y_N, log_s_N))
            found[loss]["xauc_of_seconds"].append(xauc(y_N, seconds_N))
            found[loss]["bias"].append(float(seconds_N.mean() / y_N.mean()))
    return {loss: _over_seeds(of_loss) for loss, of_loss in found.items()}


def _over_seeds(found: Mapping[str, Sequence[float]]) -> dict[str, float]:
    spread = {name: mean_and_spread(values) for name, values in found.items()}
    return {f"{name}{end}": one[part] for name, one in spread.items() for end, part in (("", "mean"), ("_std", "std"))}


def _predicted(shop: Block, loss: str, seed: int) -> tuple[Float64, Float64, Float64]:
    """Expected log1p seconds, expected seconds and observed seconds of the clicked rows that are scored."""
    tasks = [replace(task, loss=loss) if task.name == TASK else task for task in DEFAULT_TASKS]
    learner = ShopLearner(Learning(tasks=tasks), seed)
    found: list[Sequence[Float64]] = []
    num_slates = len(shop.at_s_S)
    for start in range(0, num_slates, STEP_SLATES):
        new = shop.take(np.arange(start, min(start + STEP_SLATES, num_slates))).batch()
        if start >= SCORED_FROM * num_slates:
            found.append(_expected(learner.tuner.serving_model(), new))
        learner.learn([new], start, lambda slates: shop.take(slates).batch())
        learner.tuner.refit()
    log_s_N, seconds_N, y_N = (np.concatenate(column) for column in zip(*found, strict=True))
    return log_s_N, seconds_N, y_N


@torch.no_grad()
def _expected(model: Ranker, new: Batch) -> Sequence[Float64]:
    clicked = new.mask[TASK]
    logits = model(new)[TASK][clicked]
    if logits.dim() == 1:
        log_s, seconds = logits, logits.expm1().clamp(min=0)
    else:
        scale, chances = model.scale(TASK), survival(logits)
        log_s, seconds = scale.expected_log_s(chances), scale.expected_s(chances)
    return [column.double().numpy() for column in (log_s, seconds, new.y[TASK][clicked])]
