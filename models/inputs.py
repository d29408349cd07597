"""What the ranker reads to score rows: captured features, the items' content, and what their users answered before.

User features and histories are kept once per slate, item content once per item; rows find theirs by number.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from models.content import NO_ITEM, Content

__all__ = ["History", "RankerInputs"]


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What S users did before, oldest first; places that are not used hold NO_ITEM and come first.

    Answers (A): `answer_SA` int64, row of the content; `answer_y_SA` float32, 1 clicked, 0 seen and passed, -1
    disliked; `answer_logit_SA` float32, the item's smoothed click log-odds when it was shown.
    Actions (H): `action_SH` int64; `action_kind_SH` int64, place in EVENT_KINDS; `action_age_s_SH` float32, seconds.
    """

    answer_SA: Tensor
    answer_y_SA: Tensor
    answer_logit_SA: Tensor
    action_SH: Tensor
    action_kind_SH: Tensor
    action_age_s_SH: Tensor

    @classmethod
    def empty(cls, num_slates: int) -> "History":
        """S users of whom nothing is known."""
        none, blank = torch.empty(num_slates, 0, dtype=torch.int64), torch.empty(num_slates, 0)
        return cls(
            answer_SA=none,
            answer_y_SA=blank,
            answer_logit_SA=blank,
            action_SH=none,
            action_kind_SH=none,
            action_age_s_SH=blank,
        )

    @classmethod
    def concat(cls, histories: Sequence["History"], starts: Sequence[int]) -> "History":
        """All slates one after the other; `starts`: where the content of each begins in the joined content."""
        moved = [history.moved(start) for history, start in zip(histories, starts, strict=True)]
        return cls(**{name: _stack([getattr(one, name) for one in moved], fill) for name, fill in _FILLS.items()})

    def moved(self, start: int) -> "History":
        """The same over content that begins `start` rows later."""
        columns = {name: getattr(self, name) for name in _FILLS}
        for name in ("answer_SA", "action_SH"):
            columns[name] = torch.where(columns[name] == NO_ITEM, NO_ITEM, columns[name] + start)
        return History(**columns)

    def each(self, change: Callable[[Tensor], Tensor]) -> "History":
        """The same with every tensor changed."""
        return History(**{name: change(getattr(self, name)) for name in _FILLS})

    def to(self, device: torch.device | str) -> "History":
        """The same on `device`."""
        return self.each(lambda tensor: tensor.to(device, non_blocking=True))


_FILLS: dict[str, int] = {
    "answer_SA": NO_ITEM,
    "answer_y_SA": 0,
    "answer_logit_SA": 0,
    "action_SH": NO_ITEM,
    "action_kind_SH": 0,
    "action_age_s_SH": 0,
}


def _stack(columns: Sequence[Tensor], fill: int) -> Tensor:
    """Rows of all columns, padded on the left to the widest."""
    width = max(column.shape[1] for column in columns)
    return torch.cat([functional.pad(column, (width - column.shape[1], 0), value=fill) for column in columns])


@dataclass(frozen=True, slots=True, kw_only=True)
class RankerInputs:
    """N rows of S slates over M items.

    `user_SU`, `item_NI`, `cross_NX` float32: captured features, NaN where missing. `slate_N` int64: which slate a row
    belongs to. `content_N` int64: the row's item in `content`, or NO_ITEM.
    """

    user_SU: Tensor
    item_NI: Tensor
    cross_NX: Tensor
    slate_N: Tensor
    content_N: Tensor
    content: Content
    history: History

    @classmethod
    def plain(
        cls, user_SU: Tensor, item_NI: Tensor, cross_NX: Tensor, slate_N: Tensor, num_dense: int = 0
    ) -> "RankerInputs":
        """Rows of which nothing is known but the captured features."""
        return RankerInputs(
            user_SU=user_SU,
            item_NI=item_NI,
            cross_NX=cross_NX,
            slate_N=slate_N,
            content_N=torch.full_like(slate_N, NO_ITEM),
            content=Content.empty(num_dense).to(slate_N.device),
            history=History.empty(len(user_SU)).to(slate_N.device),
        )
