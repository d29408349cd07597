"""A batch of shown rows with their features and labels, as tensors. The same type for learning and for measuring.

User features are kept once per slate and found through `slate_N`, so that the user's half of the first layer is
computed once. A label that is not known yet is masked, never zero.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.content import NO_ITEM, Content
from models.inputs import History, RankerInputs

__all__ = ["Batch"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch(RankerInputs):
    """N rows of S slates: what the ranker reads, and what came of it.

    `position_N` int64, 0-based place when shown; `kind_N` int64: 0 product, 1 coupon, 2 ad. `y[task]` float32[N] and
    `mask[task]` bool[N]: labels (0 or 1; seconds for dwell) and which of them are known. `censored` bool[N]: the dwell
    is a lower bound. `weight_N` float32. `is_replay_N` bool: learned before, so tables of ids stay as they are.
    `is_early[task]` bool[N], for tasks learned before their window ends: the label may still turn from 0 to 1. Labels
    of tasks not named are final.
    Raises ValueError when shapes do not fit together.
    """

    position_N: Tensor
    kind_N: Tensor
    y: dict[str, Tensor]
    mask: dict[str, Tensor]
    weight_N: Tensor
    censored: Tensor
    is_replay_N: Tensor
    is_early: dict[str, Tensor]

    def __post_init__(self) -> None:
        num_rows = self.num_rows
        rows = {
            "cross_NX": self.cross_NX,
            "slate_N": self.slate_N,
            "content_N": self.content_N,
            "position_N": self.position_N,
            "kind_N": self.kind_N,
            "weight_N": self.weight_N,
            "censored": self.censored,
            "is_replay_N": self.is_replay_N,
            **{f"is_early[{t}]": v for t, v in self.is_early.items()},
            **{f"y[{t}]": v for t, v in self.y.items()},
            **{f"mask[{t}]": v for t, v in self.mask.items()},
        }
        for name, tensor in rows.items():
            if len(tensor) != num_rows:
                raise ValueError(f"{name} has {len(tensor)} rows, item_NI {num_rows}; give every row a value")
        if self.y.keys() != self.mask.keys():
            raise ValueError(f"labels for {sorted(self.y)}, masks for {sorted(self.mask)}; give each task both")

    @property
    def num_rows(self) -> int:
        """N."""
        return len(self.item_NI)

    @property
    def num_slates(self) -> int:
        """S."""
        return len(self.user_SU)

    @classmethod
    def from_arrays(
        cls,
        *,
        user_SU: NDArray[np.float32],
        item_NI: NDArray[np.float32],
        cross_NX: NDArray[np.float32],
        slate_N: NDArray[np.integer],
        position_N: NDArray[np.integer],
        kind_N: NDArray[np.integer],
        labels: Mapping[str, NDArray[np.floating]],
        censored: NDArray[np.bool_] | None = None,
        weight_N: NDArray[np.floating] | None = None,
        is_early: Mapping[str, NDArray[np.bool_]] | None = None,
        content_N: NDArray[np.integer] | None = None,
        content: Content | None = None,
        history: History | None = None,
    ) -> Self:
        """From numpy arrays, copied. `labels[task]` float[N] is NaN where the label is not known."""
        num_rows = len(item_NI)
        y = {task: torch.tensor(np.where(np.isnan(v), 0.0, v), dtype=torch.float32) for task, v in labels.items()}
        return cls(
            user_SU=torch.tensor(user_SU, dtype=torch.float32),
            item_NI=torch.tensor(item_NI, dtype=torch.float32),
            cross_NX=torch.tensor(cross_NX, dtype=torch.float32),
            slate_N=torch.tensor(slate_N, dtype=torch.int64),
            content_N=torch.full((num_rows,), NO_ITEM) if content_N is None else torch.tensor(content_N),
            content=Content.empty() if content is None else content,
            history=History.empty(len(user_SU)) if history is None else history,
            position_N=torch.tensor(position_N, dtype=torch.int64),
            kind_N=torch.tensor(kind_N, dtype=torch.int64),
            y=y,
            mask={task: torch.tensor(~np.isnan(v)) for task, v in labels.items()},
            weight_N=torch.ones(num_rows) if weight_N is None else torch.tensor(weight_N, dtype=torch.float32),
            censored=torch.zeros(num_rows, dtype=torch.bool) if censored is None else torch.tensor(censored),
            is_replay_N=torch.zeros(num_rows, dtype=torch.bool),
            is_early={task: torch.tensor(v) for task, v in (is_early or {}).items()},
        )

    @classmethod
    def concat(cls, batches: Sequence["Batch"]) -> "Batch":
        """All rows of all batches, slates renumbered. Raises ValueError when there is none, or tasks differ."""
        if not batches:
            raise ValueError("no batches to join; give at least one")
        tasks = [set(b.y) for b in batches]
        if any(t != tasks[0] for t in tasks):
            raise ValueError(f"batches with tasks {sorted(tasks[0])} and others; build all of them from one task list")
        starts = np.cumsum([0, *(b.num_slates for b in batches[:-1])]).tolist()
        items = np.cumsum([0, *(b.content.num_items for b in batches[:-1])]).tolist()
        names = ("user_SU", "item_NI", "cross_NX", "position_N", "kind_N", "weight_N", "censored", "is_replay_N")
        early = sorted({task for b in batches for task in b.is_early})
        joined = {name: torch.cat([getattr(b, name) for b in batches]) for name in names}
        return cls(
            **joined,
            slate_N=torch.cat([b.slate_N + start for b, start in zip(batches, starts, strict=True)]),
            content_N=torch.cat([_moved(b.content_N, start) for b, start in zip(batches, items, strict=True)]),
            content=Content.concat([b.content for b in batches]),
            history=History.concat([b.history for b in batches], items),
            y={task: torch.cat([b.y[task] for b in batches]) for task in batches[0].y},
            mask={task: torch.cat([b.mask[task] for b in batches]) for task in batches[0].mask},
            is_early={t: torch.cat([b.is_early.get(t, torch.zeros_like(b.censored)) for b in batches]) for t in early},
        )

    def as_replay(self) -> "Batch":
        """The same rows, as ones that were learned before."""
        return replace(self, is_replay_N=torch.ones_like(self.is_replay_N))

    def each(self, change: Callable[[Tensor], Tensor]) -> "Batch":
        """The same with every tensor changed, those of content, history and labels too."""
        changed: dict[str, Any] = {}
        for one in fields(self):
            value = getattr(self, one.name)
            if isinstance(value, Tensor):
                changed[one.name] = change(value)
            elif isinstance(value, dict):
                changed[one.name] = {task: change(of_task) for task, of_task in value.items()}
            else:
                changed[one.name] = value.each(change)
        return Batch(**changed)

    def to(self, device: torch.device | str) -> "Batch":
        """The same batch on `device`."""
        if self.item_NI.device == torch.device(device):
            return self
        return self.each(lambda tensor: tensor.to(device, non_blocking=True))

    def has_finite_labels(self) -> bool:
        """Whether all known labels and all weights are finite. Features may be missing (NaN): see normaliser.py."""
        known = [torch.where(self.mask[task], of_task_N, 0.0) for task, of_task_N in self.y.items()]
        # 0 x infinity and 0 x NaN are NaN.
        return not bool(torch.stack([(0.0 * of_rows_N).sum() for of_rows_N in (self.weight_N, *known)]).isnan().any())


def _moved(content_N: Tensor, start: int) -> Tensor:
    return torch.where(content_N == NO_ITEM, NO_ITEM, content_N + start)
