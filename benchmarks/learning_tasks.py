"""Several tasks in one net: balancers side by side, each task alone, and what is left when a group of features is lost.

Figures are of predictions made before their rows were learned, over the last half of the stream: AUC in expectation
over the labels, normalised entropy, mean prediction over mean label.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.shop import SHOP_SCHEMA, Block, ShopSpec, blocks, joined
from benchmarks.shop_learner import Learning, ShopLearner, chance_auc, run_through
from models.feature_dropout import FEATURE_GROUPS_BESIDE_CROSS, without_group
from models.feature_groups import cross_groups
from models.finetune import FineTuneConfig
from models.metrics import normalised_entropy, pcoc
from models.objective import ObjectiveConfig
from models.tasks import CLICK_TASK, DEFAULT_TASKS, Task

__all__ = ["balancers_and_single_tasks", "missing_groups"]

Float64 = NDArray[np.float64]
Rows = list[dict[str, float]]

SCORED = ("click", "cart", "order", "dislike")
RARE = ("cart", "order", "dislike")
KINDS = ("product", "coupon", "ad")
NUM_SLATES = 5000


def balancers_and_single_tasks(seeds: range) -> dict[str, dict[str, float]]:
    """By way: `auc_`, `ne_` and `pcoc_` of each task. `single`: a net of its own for each task."""
    ways = {f"multi, {name}": _multi(name) for name in ("fixed", "uncertainty", "famo")}
    found: dict[str, Rows] = {way: [] for way in (*ways, "single")}
    for seed in seeds:
        shop = _shop(seed)
        for way, how in ways.items():
            found[way].append(_figures(shop, how, seed, SCORED))
        alone = [_figures(shop, _single(task), seed, [task]) for task in SCORED]
        found["single"].append({name: value for of_task in alone for name, value in of_task.items()})
    return {way: _means(rows) for way, rows in found.items()}


def missing_groups(seeds: range) -> dict[str, dict[str, float]]:
    """By group of features: AUC of clicks lost, and PCOC, when the group is missing for all rows of the last fifth.

    Learned with a twentieth of the groups dropped, and with none dropped.
    """
    groups = [*FEATURE_GROUPS_BESIDE_CROSS, *cross_groups(SHOP_SCHEMA)]
    found: dict[str, Rows] = {group: [] for group in groups}
    for seed in seeds:
        shop = _shop(seed)
        num = len(shop.at_s_S)
        last = shop.take(np.arange(int(0.8 * num), num))
        of_seed: dict[str, dict[str, float]] = {group: {} for group in groups}
        for name, dropped_frac in (("", 0.05), ("_never_dropped", 0.0)):
            learner = ShopLearner(Learning(config=FineTuneConfig(dropped_group_frac=dropped_frac)), seed)
            run_through(learner, shop, 0, int(0.8 * num))
            model, batch, chance_N = learner.tuner.serving_model(), last.batch(), last.chances.task[CLICK_TASK]
            whole = chance_auc(chance_N, model.predict(batch)[CLICK_TASK].double().numpy())
            for group in groups:
                p_N = model.predict(without_group(batch, SHOP_SCHEMA, group))[CLICK_TASK].double().numpy()
                of_group = {f"auc_lost{name}": whole - chance_auc(chance_N, p_N)}
                of_group[f"pcoc{name}"] = pcoc(last.y[CLICK_TASK], p_N)
                of_seed[group] |= of_group
        for group in groups:
            found[group].append(of_seed[group])
    return {group: _means(rows) for group, rows in found.items()}


def _shop(seed: int) -> Block:
    return joined(list(blocks(ShopSpec(seed=seed, num_slates=NUM_SLATES, open_logit=-1.0))))


def _multi(balancer: str) -> Learning:
    return Learning(config=FineTuneConfig(objective=ObjectiveConfig(balancer=balancer)))


def _single(name: str) -> Learning:
    """The same net for one task over impressions; clicks stay declared, without weight, as every list needs them."""
    own = next(task for task in DEFAULT_TASKS if task.name == name)
    click = next(task for task in DEFAULT_TASKS if task.name == CLICK_TASK)
    tasks: Sequence[Task] = [own] if own is click else [replace(click, loss_weight=0.0), replace(own, given=None)]
    objective = ObjectiveConfig() if own is click else ObjectiveConfig(ranking_weight=0.0)
    return Learning(config=FineTuneConfig(objective=objective), tasks=tasks)


def _figures(shop: Block, how: Learning, seed: int, scored: Sequence[str]) -> dict[str, float]:
    num = len(shop.at_s_S)
    predicted = run_through(ShopLearner(how, seed), shop, 0, num)
    rows = shop.slate_N >= num // 2
    figures: dict[str, float] = {}
    for task in scored:
        y_N, p_N = shop.y[task][rows], predicted[task][rows]
        figures[f"auc_{task}"] = chance_auc(shop.chances.task[task][rows], p_N)
        figures[f"ne_{task}"] = normalised_entropy(y_N, p_N)
        figures[f"pcoc_{task}"] = pcoc(y_N, p_N)
        for kind, name in enumerate(KINDS):
            of_kind = shop.kind_N[rows] == kind
            figures[f"pcoc_{task}_{name}"] = pcoc(y_N[of_kind], p_N[of_kind])
    return figures


def _means(rows: Rows) -> dict[str, float]:
    found = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
    spread = {
        f"{name}_std": float(np.std([row[name] for row in rows], ddof=1))
        for name in rows[0]
        if name.startswith("auc") and len(rows) > 1
    }
    return found | spread
