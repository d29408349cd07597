"""The record of what a user is shown: features, content and history as of now, for the trainer to learn from."""

from collections.abc import Sequence

import numpy as np

from streams.examples.records import PastActions, PastAnswers, Shown, ShownContent, encode_array, encode_codes
from streams.examples.slates import Slate
from streams.features.capture import Captured, Request, capture
from streams.features.catalogue import KINDS
from streams.features.items import ItemTable
from streams.features.user_history import UserHistory, capture_history
from streams.worker.moment import Moment

__all__ = ["capture_shown", "shown_record"]


def capture_shown(now: Moment, slate: Slate, slots: Sequence[int]) -> Captured:
    """Features of items of a slate, as its request had them."""
    request = Request(slate.query, slate.relevance)
    return capture(now.user, now.state.items, np.array(slots, np.int32), now.at_ms, request)


def shown_record(
    now: Moment, slate: Slate, slots: Sequence[int], positions: Sequence[int], captured: Captured
) -> Shown:
    """What goes to `training-examples`. The history is the user's before these items are remembered as shown."""
    items, chances = now.state.items, slate.propensities
    answers, actions = _history(items, capture_history(now.user, now.at_ms))
    return Shown(
        slate_id=slate.slate_id,
        user_id=slate.user_id,
        surface=slate.surface,
        shown_at_ms=now.at_ms,
        items=[items.item_ids[slot] for slot in slots],
        positions=list(positions),
        kinds=[KINDS[items.kind[slot]] for slot in slots],
        feature_schema=now.settings.catalogue.schema_.hash,
        user=encode_array(captured.user_U),
        item=encode_array(captured.item_NI),
        cross=encode_array(captured.cross_NX),
        part=slate.num_parts - 1,
        policy=slate.policy,
        propensities=[chances.get(slot, 1.0) for slot in slots] if chances else None,
        model_version=slate.model_version,
        content=_content(items, slots),
        answers=answers,
        actions=actions,
    )


def _content(items: ItemTable, slots: Sequence[int]) -> ShownContent:
    contents = [items.contents[slot] for slot in slots]
    return ShownContent(
        [len(content.code_V) for content in contents],
        encode_codes(np.concatenate([content.code_V for content in contents])),
        encode_array(np.stack([content.dense_D for content in contents])),
    )


def _history(items: ItemTable, history: UserHistory) -> tuple[PastAnswers, PastActions]:
    ids = items.item_ids
    answers = PastAnswers(
        [ids[slot] for slot in history.answer_A.tolist()],
        history.answer_y_A.astype(int).tolist(),
        encode_array(history.answer_logit_A),
    )
    actions = PastActions(
        [ids[slot] for slot in history.action_H.tolist()],
        history.action_kind_H.tolist(),
        encode_array(history.action_age_s_H),
    )
    return answers, actions
