"""Items and histories of buffered slates as the ranker reads them: every item once, rows and answers by its number.

An item of which the buffer knows nothing (any more) has no values and no numbers: it is alike only to itself.
"""

from base64 import b64decode
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.content import NO_ITEM, Content, item_hash
from models.feature_schema import FeatureSchema
from models.inputs import History
from streams.features.item_content import ItemContent, no_content
from streams.training.buffered_slate import BufferedSlate, Contents

__all__ = ["BatchContent", "batch_content", "content_rows"]


@dataclass(frozen=True, slots=True)
class BatchContent:
    """S slates of N rows: `content_N` int64, where each row's item is in `content`; `history` of the slates' users."""

    content_N: NDArray[np.int64]
    content: Content
    history: History


def batch_content(slates: Sequence[BufferedSlate], schema: FeatureSchema) -> BatchContent:
    """In order of slates and parts. The history is the user's as the slate's first part saw it."""
    places: dict[str, int] = {}
    contents: list[ItemContent | None] = []

    def place(item: str, known: Contents) -> int:
        found = places.setdefault(item, len(places))
        if found == len(contents):
            contents.append(known.get((schema.hash, item)))
        return found

    rows = [place(item, slate.contents) for slate in slates for part in slate.shown for item in part.items]
    history = _history(slates, place)
    return BatchContent(np.array(rows, np.int64), content_rows(list(places), contents, len(schema.dense)), history)


def content_rows(items: Sequence[str], contents: Sequence[ItemContent | None], num_dense: int) -> Content:
    """M items by id, of which nothing is known where there is None."""
    nothing = no_content(num_dense)
    known = [nothing if content is None else content for content in contents]
    if not items:
        return Content.empty(num_dense)
    return Content.of_items(
        [item_hash(item) for item in items], [content.code_V for content in known], [one.dense_D for one in known]
    )


def _history(slates: Sequence[BufferedSlate], place: Callable[[str, Contents], int]) -> History:
    answers = [slate.shown[0].answers for slate in slates]
    actions = [slate.shown[0].actions for slate in slates]

    def places(slate: BufferedSlate, items: Sequence[str]) -> NDArray[np.int64]:
        return np.array([place(item, slate.contents) for item in items], np.int64)

    answered = [places(slate, one.items if one else ()) for slate, one in zip(slates, answers, strict=True)]
    acted = [places(slate, one.items if one else ()) for slate, one in zip(slates, actions, strict=True)]
    return History(
        answer_SA=_padded(answered, NO_ITEM),
        answer_y_SA=_padded([np.array(one.clicked if one else (), np.float32) for one in answers], 0),
        answer_logit_SA=_padded([_floats(one.logits if one else "") for one in answers], 0),
        action_SH=_padded(acted, NO_ITEM),
        action_kind_SH=_padded([np.array(one.kinds if one else (), np.int64) for one in actions], 0),
        action_age_s_SH=_padded([_floats(one.age_s if one else "") for one in actions], 0),
    )


def _floats(text: str) -> NDArray[np.float32]:
    return np.frombuffer(b64decode(text), "<f4")


def _padded(columns: Sequence[NDArray[np.float32] | NDArray[np.int64]], fill: int) -> Tensor:
    """One row per slate, right-aligned."""
    width = max(map(len, columns), default=0)
    dtype = columns[0].dtype if columns else np.int64
    padded = np.full((len(columns), width), fill, dtype)
    for row, column in zip(padded, columns, strict=True):
        row[width - len(column) :] = column
    return torch.from_numpy(padded)
