"""Drops whole groups of features from some slates while learning, so that a lost source degrades a ranking gently.

A dropped group is missing as it would be if its source were gone. Which slates lose what depends on seed and step
alone: a restart learns the same.
"""

from dataclasses import replace

import torch
from torch import Tensor

from models.batch import Batch
from models.content import NO_ITEM
from models.feature_groups import cross_groups
from models.feature_schema import FeatureSchema

__all__ = ["FEATURE_GROUPS_BESIDE_CROSS", "drop_groups", "without_group"]

FEATURE_GROUPS_BESIDE_CROSS = ("user", "item", "answers")


def drop_groups(batch: Batch, schema: FeatureSchema, dropped_frac: float, seed: int, step: int) -> Batch:
    """Each group of each slate is missing with chance `dropped_frac`; the batch itself when that is 0."""
    if not dropped_frac:
        return batch
    groups = [*FEATURE_GROUPS_BESIDE_CROSS, *cross_groups(schema)]
    # On the CPU whatever the device, so that runs agree.
    generator = torch.Generator().manual_seed(seed * 1_000_003 + step)
    is_lost_SG = torch.rand(batch.num_slates, len(groups), generator=generator) < dropped_frac
    return _lose(batch, schema, is_lost_SG.to(batch.slate_N.device))


def without_group(batch: Batch, schema: FeatureSchema, group: str) -> Batch:
    """The batch as it is while one group's source is lost for all. Raises KeyError for an unknown group."""
    known = [*FEATURE_GROUPS_BESIDE_CROSS, *cross_groups(schema)]
    if group not in known:
        raise KeyError(f"feature group {group!r} is unknown; use one of {', '.join(sorted(known))}")
    is_lost_G = torch.tensor([one == group for one in known], device=batch.slate_N.device)
    return _lose(batch, schema, is_lost_G.expand(batch.num_slates, -1))


def _lose(batch: Batch, schema: FeatureSchema, is_lost_SG: Tensor) -> Batch:
    """The batch with NaN in the groups of slates that lost them, and no answers and actions.

    Groups: FEATURE_GROUPS_BESIDE_CROSS, then those of the cross features.
    """
    # A sum with NaN is missing, and one with 0 is as it was: many times as fast as a choice for every value.
    missing_SG = torch.where(is_lost_SG, torch.nan, 0.0)
    group_X = [0] * len(schema.cross)
    for group, columns in enumerate(cross_groups(schema).values(), len(FEATURE_GROUPS_BESIDE_CROSS)):
        for column in columns:
            group_X[column] = group
    user, item, answers = range(len(FEATURE_GROUPS_BESIDE_CROSS))
    is_lost_S1 = is_lost_SG[:, answers].unsqueeze(1)
    # Answers and actions are in the user's record: they are lost together.
    history = replace(
        batch.history,
        answer_SA=torch.where(is_lost_S1, NO_ITEM, batch.history.answer_SA),
        action_SH=torch.where(is_lost_S1, NO_ITEM, batch.history.action_SH),
    )
    return replace(
        batch,
        user_SU=batch.user_SU + missing_SG[:, user].unsqueeze(1),
        item_NI=batch.item_NI + missing_SG[:, item].index_select(0, batch.slate_N).unsqueeze(1),
        cross_NX=batch.cross_NX + missing_SG[:, group_X].index_select(0, batch.slate_N),
        history=history,
    )
