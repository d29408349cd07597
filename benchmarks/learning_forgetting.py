"""Forgetting: a season is learned for three days, leaves for three, and returns. What is left of it?

Both models are asked about the same slates of the day it returns: the model as it was when the season left, and as it
is when the season comes back. Plain fine-tuning is the same net and rate without replay, distillation and average.
"""

import numpy as np

from benchmarks.shop import DAY_S, Block, ShopSpec, blocks, joined
from benchmarks.shop_learner import Learning, ShopLearner, chance_auc, mean_and_spread, run_through
from models.batch import Batch
from models.finetune import FineTuneConfig
from models.ranker import Ranker

__all__ = ["forgetting"]

PLAIN = Learning(config=FineTuneConfig(average_decay=0.0, dropped_group_frac=0.0), replay_slates=0)
WAYS = {
    "plain": PLAIN,
    "replay only": Learning(config=PLAIN.config),
    "freshrank": Learning(),
}
SEASONS = (1, 1, 1, 2, 2, 2, 1)


def forgetting(seeds: range) -> dict[str, dict[str, float]]:
    """By way of learning: AUC on the returning season before it left and after, and the drop; `ratio`: of the drops."""
    drops: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
    for seed in seeds:
        spec = ShopSpec(
            seed=seed,
            num_slates=7000,
            num_items=3000,
            days=7.0,
            open_logit=-1.0,
            season_of_day=SEASONS,
            season_item_frac=0.6,
        )
        shop = joined(list(blocks(spec)))
        for way, how in WAYS.items():
            drops[way].append(_before_and_after(shop, how, seed))
    found = {}
    for way, pairs in drops.items():
        before, after = (mean_and_spread(values) for values in zip(*pairs, strict=True))
        drop = mean_and_spread([b - a for b, a in pairs])
        found[way] = {"auc_before": before["mean"], "auc_after": after["mean"]}
        found[way] |= {"drop": drop["mean"], "drop_std": drop["std"]}
    for figures in found.values():
        figures["drop_of_plain"] = figures["drop"] / found["plain"]["drop"]
    return found


def _before_and_after(shop: Block, how: Learning, seed: int) -> tuple[float, float]:
    left, returned = (int(np.searchsorted(shop.at_s_S, day * DAY_S)) for day in (3, 6))
    back = shop.take(np.arange(returned, len(shop.at_s_S)))
    learner = ShopLearner(how, seed)
    run_through(learner, shop, 0, left)
    before = learner.tuner.serving_model()
    run_through(learner, shop, left, returned)
    return _season_auc(before, back), _season_auc(learner.tuner.serving_model(), back)


def _season_auc(model: Ranker, back: Block) -> float:
    batch: Batch = back.batch()
    of_season = back.season_N == 1
    p_N = model.predict(batch)["click"].double().numpy()
    return chance_auc(back.chances.task["click"][of_season], p_N[of_season])
