"""Why a score: what each feature group contributes to each prediction, and what each past answer says of each row.

A group left out takes its average values; the taste left out is a user of whom nothing is known. In the factored first
layer that is one subtraction, so G groups cost G + 1 passes over the small rest of the network and no feature work.
Contributions of different groups may overlap: they need not add up to the prediction. The parts of the taste do add up.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from models.feature_groups import cross_groups
from models.inputs import RankerInputs
from models.item_side import ItemSide
from models.kinds import kinds
from models.predictions import as_predictions
from models.ranker import Ranker
from models.taste import TasteState

__all__ = ["Explanation", "TasteParts", "explain"]


@dataclass(frozen=True, slots=True)
class TasteParts:
    """What the taste layer says of N rows, in click log-odds before calibration: `base_N` + the sum of the parts.

    `by_answer_NA`: by answer, as `History` has them, 0 where there is none; `by_group_NG`: by kernel group, whose names
    `groups` are. Each of them adds up to the user's taste, f of taste.py. `base_N`: the item's smoothed click log-odds,
    scaled.
    """

    groups: tuple[str, ...]
    base_N: Tensor
    by_answer_NA: Tensor
    by_group_NG: Tensor


@dataclass(frozen=True, slots=True)
class Explanation:
    """What each group contributes to each prediction.

    `groups`: G names: `user`, `item`, the cross groups, `last_actions` and `taste` when the ranker has these.
    `predictions[task]` float[N]; `contributions[task]` float[N, G]: the prediction minus that without the group.
    `taste`: None without a taste layer, or when nobody has answered anything.
    """

    groups: tuple[str, ...]
    predictions: dict[str, Tensor]
    contributions: dict[str, Tensor]
    taste: TasteParts | None


@torch.no_grad()
def explain(ranker: Ranker, inputs: RankerInputs, side: ItemSide | None = None) -> Explanation:
    """Contributions for N rows (a user's top ten, say). `side`: that of `inputs.content`, when it is known already."""
    side = ranker.item_side(inputs.content) if side is None else side
    state = ranker.solve_taste(inputs, side)
    parts, first_NO = _group_parts(ranker, state, inputs, side), ranker.first_layer(inputs, side)
    # With all groups, then without each of them: one pass over all P = 1 + G versions of the rows.
    num_versions = 1 + len(parts)
    first_PNO = first_NO.repeat(num_versions, 1, 1)
    first_PNO[1:] -= torch.stack(list(parts.values()))
    logits = ranker.tail(first_PNO.flatten(0, 1))
    found = as_predictions(ranker, logits, kinds(ranker.schema, inputs.item_NI).repeat(num_versions))
    versions = {task: value_R.view(num_versions, -1) for task, value_R in found.items()}
    return Explanation(
        tuple(parts),
        {task: value_PN[0] for task, value_PN in versions.items()},
        {task: (value_PN[0] - value_PN[1:]).T for task, value_PN in versions.items()},
        _taste_parts(ranker, state, inputs, side),
    )


def _taste_parts(ranker: Ranker, state: TasteState | None, inputs: RankerInputs, side: ItemSide) -> TasteParts | None:
    if ranker.taste is None or state is None:
        return None
    taste = ranker.taste
    found_NAG = taste.contributions(state, side.factors(inputs.content_N), inputs.content_N, inputs.slate_N)
    base_N = taste.base(inputs.item_NI[:, ranker.schema.base_column])
    return TasteParts(taste.kernel.groups, base_N, found_NAG.sum(2), found_NAG.sum(1))


def _group_parts(ranker: Ranker, state: TasteState | None, inputs: RankerInputs, side: ItemSide) -> dict[str, Tensor]:
    """float[N, O] per group: its share of the first layer's outputs."""
    first, num_cross = ranker.first, len(ranker.schema.cross)
    taste_N1 = ranker.taste_column(state, inputs, side)
    item = ranker.learned.beside_item(ranker.item_norm(inputs.item_NI), side, inputs.content_N)
    cross = torch.cat([ranker.cross_norm(inputs.cross_NX), taste_N1, ranker.learned.attended(inputs, side)], 1)
    parts = {
        "user": (first.user_part(ranker.user_norm(inputs.user_SU)) - first.bias_O).index_select(0, inputs.slate_N),
        "item": first.item_part(item),
    }
    groups = cross_groups(ranker.schema)
    first_attended = num_cross + taste_N1.shape[1]
    if ranker.taste is not None:
        groups["taste"] = list(range(num_cross, first_attended))
    if ranker.learned.attention is not None:
        groups["last_actions"] = list(range(first_attended, cross.shape[1]))
    for group, columns in groups.items():
        kept = torch.zeros_like(cross)
        kept[:, columns] = cross[:, columns]
        parts[group] = first.cross_part(kept)
    return parts
