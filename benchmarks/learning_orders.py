"""Orders that come days late, in a shop where what is bought turns: learn at once and correct, wait, or never correct.

All ways learn the first six days with final labels; then each learns as labels come in reality, predicting every block
first. `never` takes what is known a minute after showing for the truth; `wait` learns orders when their window of seven
days ends; `freshrank` learns at once with weights and corrects (late_labels.py); `oracle` knows every final label at
once; `frozen` stops learning. In all but `never`, replayed slates tell their orders only after their window:
with drift that is better for the oracle, too.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.shop import DAY_S, Block, ShopSpec, blocks, joined
from benchmarks.shop_learner import STEP_SLATES, Learning, ShopLearner, chance_auc, mean_and_spread, run_through
from models.batch import Batch
from models.metrics import pcoc

__all__ = ["late_orders"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

TASK = "order"
WAYS = ("frozen", "never", "wait", "freshrank", "oracle")
PRETRAIN_DAYS, UNSCORED_DAYS, KNOWN_AFTER_S = 6, 1, 60.0


def late_orders(seeds: range, num_slates: int = 6000) -> dict[str, dict[str, float]]:
    """By way: AUC of the order task after the first day of the stream, and how much of two gaps is closed.

    `gap_closed`: (AUC - never) / (oracle - never); `gap_closed_from_frozen`: the same from `frozen`, as models.md 5.4.
    """
    auc: dict[str, list[float]] = {way: [] for way in WAYS}
    ratio: dict[str, list[float]] = {way: [] for way in WAYS}
    for seed in seeds:
        spec = ShopSpec(seed=seed, num_slates=num_slates, days=16.0, open_logit=-0.8, order_drift_rad_per_day=0.2)
        shop = joined(list(blocks(spec)))
        for way in WAYS:
            p_N, rows = _Stream(shop, way, seed).run()
            auc[way].append(chance_auc(shop.chances.task[TASK][rows], p_N[rows]))
            ratio[way].append(pcoc(shop.y[TASK][rows], p_N[rows]))
    mean = {way: float(np.mean(values)) for way, values in auc.items()}
    return {
        way: {
            "auc": mean[way],
            "auc_std": mean_and_spread(auc[way])["std"],
            "pcoc": float(np.mean(ratio[way])),
            "gap_closed": (mean[way] - mean["never"]) / (mean["oracle"] - mean["never"]),
            "gap_closed_from_frozen": (mean[way] - mean["frozen"]) / (mean["oracle"] - mean["frozen"]),
        }
        for way in WAYS
    }


class _Stream:
    """One way of learning over one shop."""

    def __init__(self, shop: Block, way: str, seed: int) -> None:
        self._shop, self._way, self._now_s = shop, way, 0.0
        self._learner = ShopLearner(Learning(), seed)
        self._first = int(np.searchsorted(shop.at_s_S, PRETRAIN_DAYS * DAY_S))
        self._window_s = ShopSpec().order_window_days * DAY_S

    def run(self) -> tuple[Float64, Int64]:
        """Predictions float64[N] made before each row was learned, and the rows that are scored."""
        shop = self._shop
        found = [run_through(self._learner, shop, 0, self._first)[TASK]]
        for start in range(self._first, len(shop.at_s_S), STEP_SLATES):
            slates = np.arange(start, min(start + STEP_SLATES, len(shop.at_s_S)))
            before_s, self._now_s = self._now_s, float(shop.at_s_S[slates[-1]]) + KNOWN_AFTER_S
            new = self._first_labels(slates) if self._way != "frozen" else shop.take(slates).batch({})
            found.append(self._learner.tuner.predict_then_calibrate(new)[TASK].double().numpy())
            if self._way != "frozen":
                late = self._late_labels(start, before_s)
                for batch in late:
                    self._learner.tuner.predict_then_calibrate(batch)
                self._learner.learn([new, *late], start, self._replayed)
        first_scored = int(np.searchsorted(shop.at_s_S, (PRETRAIN_DAYS + UNSCORED_DAYS) * DAY_S))
        return np.concatenate(found), np.flatnonzero(shop.slate_N >= first_scored)

    def _first_labels(self, slates: Int64) -> Batch:
        block = self._shop.take(slates)
        known_N = (block.order_at_s_N <= self._now_s).astype(np.float64)
        orders = {"never": known_N, "freshrank": known_N, "oracle": block.y[TASK]}
        batch = block.batch(block.y | {TASK: orders.get(self._way, np.full(len(known_N), np.nan))})
        early = {TASK: torch.ones(batch.num_rows, dtype=torch.bool)}
        return replace(batch, is_early=early) if self._way == "freshrank" else batch

    def _late_labels(self, before: int, before_s: float) -> Sequence[Batch]:
        """Order labels that became known since the last step, of slates that the stream has shown before."""
        shop = self._shop
        rows = (shop.slate_N >= self._first) & (shop.slate_N < before)
        if self._way == "wait":
            end_s_N = shop.at_s_N + self._window_s
            rows &= (end_s_N > before_s) & (end_s_N <= self._now_s)
        elif self._way == "freshrank":
            rows &= (shop.order_at_s_N > before_s) & (shop.order_at_s_N <= self._now_s)
        else:
            return []
        slates = np.unique(shop.slate_N[rows])
        if not len(slates):
            return []
        block = shop.take(slates)
        unknown = {task: np.full(len(block.slate_N), np.nan) for task in block.y}
        is_new_N = rows[np.isin(shop.slate_N, slates)]
        return [block.batch(unknown | {TASK: np.where(is_new_N, block.y[TASK], np.nan)})]

    def _replayed(self, slates: Int64) -> Batch:
        block = self._shop.take(slates)
        known_s_N = block.at_s_N + KNOWN_AFTER_S
        is_pretrained_N = block.at_s_N < PRETRAIN_DAYS * DAY_S
        if self._way == "never":
            seen_N = np.where(is_pretrained_N, block.y[TASK], block.order_at_s_N <= known_s_N)
            return block.batch(block.y | {TASK: seen_N})
        is_final_N = is_pretrained_N | (block.at_s_N + self._window_s <= self._now_s)
        return block.batch(block.y | {TASK: np.where(is_final_N, block.y[TASK], np.nan)})
