"""Why a score: what each feature group contributes to each prediction, by leaving the group out.

A group left out takes its average values. In the factored first layer that is one subtraction, so G groups cost G + 1
passes over the small rest of the network and no feature work. Contributions of different groups may overlap: they need
not add up to the prediction.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from models.feature_groups import cross_groups
from models.inputs import RankerInputs
from models.predictions import as_predictions
from models.ranker import Ranker

__all__ = ["Explanation", "explain"]


@dataclass(frozen=True, slots=True)
class Explanation:
    """What each group contributes to each prediction.

    `groups`: G names, `user`, `item`, then the cross groups, and `last_actions` when there is attention.
    `predictions[task]` float[N]; `contributions[task]` float[N, G]: the prediction minus that without the group.
    """

    groups: tuple[str, ...]
    predictions: dict[str, Tensor]
    contributions: dict[str, Tensor]


@torch.no_grad()
def explain(ranker: Ranker, inputs: RankerInputs) -> Explanation:
    """Contributions for N rows (a user's top ten, say)."""
    parts = _group_parts(ranker, inputs)
    first_NO = ranker.first_layer(inputs)
    kind_N = ranker.kinds(inputs.item_NI)
    predictions = as_predictions(ranker, ranker.tail(first_NO), kind_N)
    without = [as_predictions(ranker, ranker.tail(first_NO - part_NO), kind_N) for part_NO in parts.values()]
    contributions = {
        task: torch.stack([value_N - other[task] for other in without], 1) for task, value_N in predictions.items()
    }
    return Explanation(tuple(parts), predictions, contributions)


def _group_parts(ranker: Ranker, inputs: RankerInputs) -> dict[str, Tensor]:
    """float[N, O] per group: its share of the first layer's outputs."""
    first, side = ranker.first, ranker.item_side(inputs.content)
    item = ranker.learned.beside_item(ranker.item_norm(inputs.item_NI), side, inputs.content_N)
    cross = ranker.learned.beside_cross(ranker.cross_norm(inputs.cross_NX), ranker.learned.attended(inputs, side))
    parts = {
        "user": (first.user_part(ranker.user_norm(inputs.user_SU)) - first.bias_O).index_select(0, inputs.slate_N),
        "item": first.item_part(item),
    }
    groups = cross_groups(ranker.schema)
    if ranker.learned.attention is not None:
        groups["last_actions"] = list(range(len(ranker.schema.cross), cross.shape[1]))
    for group, columns in groups.items():
        kept = torch.zeros_like(cross)
        kept[:, columns] = cross[:, columns]
        parts[group] = first.cross_part(kept)
    return parts
