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
    lost = dict(zip(groups, is_lost_SG.to(batch.slate_N.device).unbind(1), strict=True))
    return _lose(batch, schema, lost)


def without_group(batch: Batch, schema: FeatureSchema, group: str) -> Batch:
    """The batch as it is while one group's source is lost for all. Raises KeyError for an unknown group."""
    known = {*FEATURE_GROUPS_BESIDE_CROSS, *cross_groups(schema)}
    if group not in known:
        raise KeyError(f"feature group {group!r} is unknown; use one of {', '.join(sorted(known))}")
    everyone = torch.ones(batch.num_slates, dtype=torch.bool, device=batch.slate_N.device)
    return _lose(batch, schema, {group: everyone})


def _lose(batch: Batch, schema: FeatureSchema, lost: dict[str, Tensor]) -> Batch:
    """The batch with NaN in the groups of slates that lost them, and no answers and actions: `lost[group]` bool[S]."""
    user_SU, item_NI, cross_NX = batch.user_SU, batch.item_NI, batch.cross_NX
    # A sum with NaN is missing, and one with 0 is as it was: many times as fast as a choice for every value.
    missing = {group: torch.where(is_lost_S, torch.nan, 0.0).unsqueeze(1) for group, is_lost_S in lost.items()}
    if "user" in lost:
        user_SU = user_SU + missing["user"]
    if "item" in lost:
        item_NI = item_NI + missing["item"].index_select(0, batch.slate_N)
    missing_SX = torch.zeros(batch.num_slates, cross_NX.shape[1], device=cross_NX.device)
    for group, columns in cross_groups(schema).items():
        if group in lost:
            missing_SX[:, columns] = missing[group]
    cross_NX = cross_NX + missing_SX.index_select(0, batch.slate_N)
    history = batch.history
    if "answers" in lost:
        is_lost_S1 = lost["answers"].unsqueeze(1)
        answer_SA = torch.where(is_lost_S1, NO_ITEM, history.answer_SA)
        # Both are in the user's record: they are lost together.
        action_SH = torch.where(is_lost_S1, NO_ITEM, history.action_SH)
        history = replace(history, answer_SA=answer_SA, action_SH=action_SH)
    return replace(batch, user_SU=user_SU, item_NI=item_NI, cross_NX=cross_NX, history=history)
