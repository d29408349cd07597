"""Items and histories of slates as tensors: every item once, answers right-aligned."""

import math

import msgspec
import numpy as np

from models.content import NO_ITEM, item_hash
from streams.examples.records import PastActions, PastAnswers, Shown, encode_array
from streams.features.item_content import ItemContent
from streams.training.batch_content import batch_content
from streams.training.buffered_slate import BufferedSlate, Contents
from tests.training.slates import SCHEMA, shown

KNOWN: Contents = {
    (SCHEMA.hash, "a"): ItemContent.of(np.array([5, 9], np.int32), np.array([1.0], np.float32)),
    (SCHEMA.hash, "c"): ItemContent.of(np.array([7], np.int32), np.array([3.0], np.float32)),
    ("other", "b"): ItemContent.of(np.array([8], np.int32), np.array([2.0, 2.0], np.float32)),
}


def floats(*values: float) -> str:
    return encode_array(np.array(values, np.float32))


def slate(*parts: Shown) -> BufferedSlate:
    return BufferedSlate(parts[0].user_id, parts[0].slate_id, parts, {}, KNOWN)


def test_rows_and_histories_name_every_item_once() -> None:
    answered = msgspec.structs.replace(
        shown("s1", "ab"),
        answers=PastAnswers(["c", "a", "x"], [1, 0, -1], floats(-1.0, -2.0, -3.0)),
        actions=PastActions(["a", "y"], [1, 2], floats(60.0, 5.0)),
    )
    found = batch_content([slate(answered), slate(shown("s2", "c"), shown("s2", "ad", part=1))], SCHEMA)

    items = ["a", "b", "c", "d", "x", "y"]
    assert found.content_N.tolist() == [0, 1, 2, 0, 3]
    assert found.content.id_M.tolist() == [item_hash(item) for item in items]
    assert (found.content.value_V.tolist(), found.content.item_V.tolist()) == ([5, 9, 7], [0, 0, 2])
    dense = found.content.dense_MD.squeeze(1).tolist()
    assert (dense[0], dense[2]) == (1.0, 3.0)
    assert [math.isnan(value) for value in dense] == [False, True, False, True, True, True]
    history = found.history
    assert history.answer_SA.tolist() == [[2, 0, 4], [NO_ITEM] * 3]
    assert history.answer_y_SA.tolist() == [[1, 0, -1], [0, 0, 0]]
    assert history.answer_logit_SA.tolist() == [[-1, -2, -3], [0, 0, 0]]
    assert history.action_SH.tolist() == [[0, 5], [NO_ITEM] * 2]
    assert history.action_kind_SH.tolist() == [[1, 2], [0, 0]]
    assert history.action_age_s_SH.tolist() == [[60, 5], [0, 0]]


def test_the_history_is_that_of_the_first_part_and_shorter_ones_stand_at_the_right() -> None:
    first = msgspec.structs.replace(shown("s1", "a"), answers=PastAnswers(["a"], [1], floats(-1.0)))
    later = msgspec.structs.replace(shown("s1", "b", part=1), answers=PastAnswers(["b", "a"], [0, 0], floats(0.0, 0.0)))
    longer = msgspec.structs.replace(shown("s2", "a"), answers=PastAnswers(["b", "a"], [0, 1], floats(-4.0, -5.0)))
    history = batch_content([slate(first, later), slate(longer)], SCHEMA).history
    assert history.answer_SA.tolist() == [[NO_ITEM, 0], [1, 0]]
    assert history.answer_logit_SA.tolist() == [[0, -1], [-4, -5]]


def test_no_slates_have_no_items() -> None:
    found = batch_content([], SCHEMA)
    assert (len(found.content_N), found.content.num_items, found.history.answer_SA.shape) == (0, 0, (0, 0))
