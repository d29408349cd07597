"""torch-rechub's MMoE in the shape of our ranker: as many experts of the same widths, towers and tasks.

`dense`: it reads the captured features alone, as our network does. `embedded`: beside them, ids of user and item and
the item's category, brand and tags as embeddings of 16, which is its own way to know what our taste layer knows.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch_rechub.basic.features import DenseFeature, SequenceFeature, SparseFeature
from torch_rechub.models.multi_task import MMOE

from models.ranker_config import RankerConfig

__all__ = ["dense_table", "embedded_table", "mmoe"]

EMBEDDED = 16
VOCABULARY = {"user": 10_000, "item": 10_000, "category": 50, "brand": 500, "tags": 1000}
NUM_TAGS = 5


def dense_table(features_NF: Tensor) -> dict[str, Tensor]:
    """The captured features."""
    return {"features": features_NF}


def embedded_table(features_NF: Tensor, slate_N: Tensor, rng: np.random.Generator) -> dict[str, Tensor]:
    """The captured features and ids; a user's is the same in all rows of a slate."""
    num = len(features_NF)
    drawn = {name: torch.from_numpy(rng.integers(0, size, num)) for name, size in VOCABULARY.items() if name != "tags"}
    tags_NT = torch.from_numpy(rng.integers(0, VOCABULARY["tags"], (num, NUM_TAGS)))
    return {**dense_table(features_NF), **drawn, "user": slate_N, "tags": tags_NT}


def mmoe(table: dict[str, Tensor], config: RankerConfig, num_experts: int, num_tasks: int) -> nn.Module:
    """An untrained model for rows of `table`."""
    features: list[Any] = [DenseFeature("features", table["features"].shape[1])]
    for name in table:
        if name == "tags":
            features.append(SequenceFeature("tags", VOCABULARY["tags"], EMBEDDED, pooling="mean"))
        elif name != "features":
            features.append(SparseFeature(name, VOCABULARY[name], EMBEDDED))
    expert = {"dims": [config.expert_hidden, config.expert_width], "activation": "relu"}
    model: nn.Module = MMOE(
        features, ["classification"] * num_tasks, num_experts, expert, [{"dims": [config.tower_width]}] * num_tasks
    )
    return model
