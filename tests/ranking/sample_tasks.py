"""Ranking tasks with random features over a small table, and a small model for them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from models.checkpoint import LoadedCheckpoint
from models.feature_schema import FeatureSchema
from models.ranker import Ranker
from models.ranker_config import RankerConfig
from models.tasks import DEFAULT_TASKS
from streams.features.items import ItemTable
from streams.features.user_history import capture_history
from streams.features.user_state import UserState
from streams.ranking.pipeline import rank
from streams.ranking.record import Ranking
from streams.ranking.scorer import Scorer
from streams.ranking.task import RankTask
from streams.settings import CatalogueFields, Settings

SCHEMA: FeatureSchema = CatalogueFields().schema_
CONFIG = RankerConfig(num_shared_experts=1, expert_hidden=8, expert_width=8, tower_width=4)


def rank_task(items: ItemTable, item_ids: list[str], seed: int = 0, **fields: Any) -> RankTask:
    """A task over `item_ids` with features drawn from `seed`."""
    rng = np.random.default_rng(seed)
    num = len(item_ids)

    def rows(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape).astype(np.float32)

    given: dict[str, Any] = {
        "slate_id": f"s{seed}",
        "user_id": "u",
        "surface": "home",
        "cause": "request",
        "slots": items.slots(item_ids),
        "user_U": rows(len(SCHEMA.user)),
        "item_NI": rows(num, len(SCHEMA.item)),
        "cross_NX": rows(num, len(SCHEMA.cross)),
        "history": capture_history(UserState("u"), 1000),
        "fallback_N": rng.uniform(0.01, 0.4, num).astype(np.float32),
        "is_own": False,
        "k": num,
        "seen_N": np.zeros(num, np.bool_),
        "features_as_of_ms": 1000,
        "watermark_ms": 900,
    }
    return RankTask(**given | fields)


def loaded_model(version: int = 1, seed: int = 0, config: RankerConfig = CONFIG) -> LoadedCheckpoint:
    """A version with random weights in every head, so that predictions differ from item to item."""
    torch.manual_seed(seed)
    ranker = Ranker(config, SCHEMA, DEFAULT_TASKS)
    with torch.no_grad():
        for parameter in ranker.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    for normaliser, width in (
        (ranker.user_norm, len(SCHEMA.user)),
        (ranker.item_norm, len(SCHEMA.item)),
        (ranker.cross_norm, len(SCHEMA.cross)),
    ):
        normaliser.observe(torch.randn(100, width))
    return LoadedCheckpoint(ranker.eval(), {"version": version})


def published(
    tasks: Sequence[RankTask], items: ItemTable, scorer: Scorer, settings: Settings, scored_at_ms: int
) -> list[Ranking]:
    """The lists of tasks as readers of `rankings` get them."""
    return [Ranking.model_validate_json(made.encode()) for made in rank(tasks, items, scorer, settings, scored_at_ms)]
