"""Rank tasks as the ranker reads them: features side by side, every item of candidates and histories once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.content import NO_ITEM, Content
from models.inputs import History, RankerInputs
from streams.ranking.task import RankTask

__all__ = ["TaskInputs", "task_inputs"]

Number = TypeVar("Number", np.float32, np.int32)
# In place of a slot where a history is shorter than others.
NO_SLOT = -1


@dataclass(frozen=True, slots=True)
class TaskInputs:
    """`inputs`: rows of all tasks; its items are those of `slot_M` int64, its content is empty."""

    inputs: RankerInputs
    slot_M: Tensor


def task_inputs(tasks: Sequence[RankTask]) -> TaskInputs:
    """At least one task."""
    sizes = [len(task.slots) for task in tasks]
    histories = [task.history for task in tasks]
    shown_R = np.concatenate([task.slots for task in tasks])
    answered_SA = _padded([one.answer_A for one in histories], NO_SLOT)
    acted_SH = _padded([one.action_H for one in histories], NO_SLOT)
    joined = np.concatenate([shown_R, answered_SA.ravel(), acted_SH.ravel()])
    slots, places = np.unique(joined, return_inverse=True)
    # NO_SLOT, when it is there, is the first.
    first = int(len(slots) > 0 and slots[0] == NO_SLOT)
    place = torch.from_numpy(np.where(joined == NO_SLOT, NO_ITEM, places - first))
    content_R, answer_F, action_F = torch.split(place, [len(shown_R), answered_SA.size, acted_SH.size])
    history = History(
        answer_SA=answer_F.view(answered_SA.shape),
        answer_y_SA=torch.from_numpy(_padded([one.answer_y_A for one in histories], 0)),
        answer_logit_SA=torch.from_numpy(_padded([one.answer_logit_A for one in histories], 0)),
        action_SH=action_F.view(acted_SH.shape),
        action_kind_SH=torch.from_numpy(_padded([one.action_kind_H for one in histories], 0)).long(),
        action_age_s_SH=torch.from_numpy(_padded([one.action_age_s_H for one in histories], 0)),
    )
    inputs = RankerInputs(
        user_SU=torch.from_numpy(np.stack([task.user_U for task in tasks])),
        item_NI=torch.from_numpy(np.concatenate([task.item_NI for task in tasks])),
        cross_NX=torch.from_numpy(np.concatenate([task.cross_NX for task in tasks])),
        slate_N=torch.from_numpy(np.repeat(np.arange(len(tasks)), sizes)),
        content_N=content_R,
        content=Content.empty(),
        history=history,
    )
    return TaskInputs(inputs, torch.from_numpy(slots[first:].astype(np.int64)))


def _padded(columns: Sequence[NDArray[Number]], fill: int) -> NDArray[Number]:
    """One row per task, right-aligned, as the trainer has them."""
    width = max(map(len, columns))
    padded = np.full((len(columns), width), fill, columns[0].dtype)
    for row, column in zip(padded, columns, strict=True):
        row[width - len(column) :] = column
    return padded
