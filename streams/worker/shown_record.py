"""The record of what a user is shown: features, content and history as of now, for the trainer to learn from."""

from collections.abc import Sequence

import numpy as np

from streams.examples.records import PastActions, PastAnswers, Shown, ShownContent, encode_array, encode_arrays
from streams.examples.slates import Slate
from streams.features.capture import Captured, Request
from streams.features.catalogue import KINDS
from streams.features.items import ItemTable
from streams.features.user_history import action_ages_s, last_answers
from streams.features.user_state import UserState
from streams.worker.moment import Moment

__all__ = ["capture_shown", "parts", "shown_record"]

# What the items of one record may take, by their estimated size: with the history it stays well below what Kafka takes.
ITEMS_BYTES = 1_000_000
# Characters of base64 for a byte, and for a number of four.
BASE64 = 4 / 3
BYTES_PER_NUMBER = 4 * BASE64
CODE_BYTES = 4
# An id in JSON, at most: each of 256 characters escaped; its position, its kind, its chance.
ID_BYTES = 2 * 256 + 64


def capture_shown(now: Moment, slate: Slate, slots: Sequence[int]) -> Captured:
    """Features of items of a slate, as its request had them."""
    request = Request(slate.query, slate.relevance)
    return now.lists.captured(now.user, np.array(slots, np.int32), now.at_ms, request)


def parts(items: ItemTable, slots: Sequence[int], captured: Captured) -> list[slice]:
    """Places of `slots` that fit into one record each: nearly always all of them. Long texts and vectors add up."""
    contents = [items.contents[slot] for slot in slots]
    width = captured.item_NI.shape[1] + captured.cross_NX.shape[1]
    own_bytes = ID_BYTES + BYTES_PER_NUMBER * width
    sizes = [own_bytes + BASE64 * (len(content.codes) + len(content.dense)) for content in contents]
    if sum(sizes) <= ITEMS_BYTES:
        return [slice(0, len(slots))]
    found, start, held = [], 0, 0.0
    for place, size in enumerate(sizes):
        if held + size > ITEMS_BYTES and place > start:
            found.append(slice(start, place))
            start, held = place, 0.0
        held += size
    return [*found, slice(start, len(slots))]


def shown_record(
    now: Moment, slate: Slate, slots: Sequence[int], positions: Sequence[int], captured: Captured, *, part: slice
) -> Shown:
    """What goes to `training-examples`. The history is the user's before these items are remembered as shown.

    `part`: places of `slots` and rows of `captured` that go into this record.
    """
    items, chances, slots = now.state.items, slate.propensities, slots[part]
    answers, actions = _history(items, now.user, now.at_ms)
    return Shown(
        slate_id=slate.slate_id,
        user_id=slate.user_id,
        surface=slate.surface,
        shown_at_ms=now.at_ms,
        items=[items.item_ids[slot] for slot in slots],
        positions=list(positions[part]),
        kinds=[KINDS[kind] for kind in items.kind[slots].tolist()],
        feature_schema=items.schema_hash,
        user=encode_array(captured.user_U),
        item=encode_array(captured.item_NI[part]),
        cross=encode_array(captured.cross_NX[part]),
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
    codes, dense = [content.codes for content in contents], [content.dense for content in contents]
    return ShownContent([len(one) // CODE_BYTES for one in codes], encode_arrays(codes), encode_arrays(dense))


def _history(items: ItemTable, user: UserState, now_ms: int) -> tuple[PastAnswers, PastActions]:
    """What `capture_history` gives the scorer, as a record."""
    ids = items.item_ids
    slot_A, answer_A, logit_A = last_answers(user)
    answers = PastAnswers([ids[slot] for slot in slot_A.tolist()], answer_A.tolist(), encode_array(logit_A))
    shown = [ids[slot] for slot in user.action_slots]
    return answers, PastActions(shown, user.action_kinds.tolist(), encode_array(action_ages_s(user, now_ms)))
