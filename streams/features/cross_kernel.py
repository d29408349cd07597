"""Features of a user and N items together, compiled: a pass over the values of what the user answered.

Values and items are found in the list at hand by a sparse set (Briggs and Torczon, "An efficient representation for
sparse sets", 1993): `place_of` says where each number stood last, and it is in this list if the list has it there.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.feature_schema import EVENT_KINDS

__all__ = ["CrossInputs", "fill_cross"]

Float64 = NDArray[np.float64]
Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]
Int32 = NDArray[np.int32]
Int8 = NDArray[np.int8]
CLICK = EVENT_KINDS.index("click")
PRIOR_ANSWERS = 2.0
# Strength of the prior of a co-click rate, in clicks of the neighbour.
PRIOR_CO_CLICKS = 10.0


class CrossInputs(NamedTuple):
    """What the user did, and the items' values.

    A answers to S slates, H actions, B values that the user leans to, C co-clicked items. `answer_A`: 1 where clicked.
    `num_S`: answers to a slate. `action_kind_H`: place in EVENT_KINDS. `lean_B` is as of now. `log_price`: of the mean
    clicked, NaN where none is known. `never_shown_s` stands for the age of what never was.
    """

    answered_A: Int32
    answer_A: Int8
    num_S: Int64
    shown_ms_S: Int64
    action_H: Int32
    action_kind_H: Int8
    value_B: Int32
    lean_B: Float64
    other_C: Int32
    weight_C: Float64
    num_co_clicked: int
    log_price: float
    base_rate: float
    now_ms: int
    never_shown_s: float
    price: Float32
    value_start: Int64
    value_num: Int64
    values: Int32
    field_of: NDArray[np.int16]
    place_of_slot: Int32
    place_of_value: Int32


@njit(cache=True, error_model="numpy", nogil=True)
def fill_cross(out_NX: Float32, slots: Int32, num_fields: int, given: CrossInputs) -> None:
    """Fill all columns of `FeatureSchema.cross` but the last two, which come with the request."""
    _fill_fields(out_NX, slots, num_fields, given)
    _fill_items(out_NX, slots, 3 * num_fields, given)


@njit(cache=True, error_model="numpy", nogil=True)
def _fill_fields(out_NX: Float32, slots: Int32, num_fields: int, given: CrossInputs) -> None:
    """Per field: rate (log-odds), log clicks, log affinity."""
    shown, clicked, lean = _values_of(slots, given)
    place_of = given.place_of_value
    for n in range(len(slots)):
        for field in range(num_fields):
            num, rates, clicks, leaning = 0, 0.0, 0.0, 0.0
            start = given.value_start[slots[n]]
            for at in range(start, start + given.value_num[slots[n]]):
                value = given.values[at]
                if given.field_of[value] == field:
                    place = place_of[value]
                    num += 1
                    rates += (clicked[place] + PRIOR_ANSWERS * given.base_rate) / (shown[place] + PRIOR_ANSWERS)
                    clicks += clicked[place]
                    leaning += lean[place]
            mean = rates / num if num else given.base_rate
            # A rate can leave (0, 1) by nothing but rounding: clicks never exceed answers.
            out_NX[n, 3 * field] = math.log(mean / (1.0 - mean))
            out_NX[n, 3 * field + 1] = math.log1p(clicks)
            out_NX[n, 3 * field + 2] = math.copysign(math.log1p(abs(leaning)), leaning)


@njit(cache=True, error_model="numpy", nogil=True)
def _values_of(slots: Int32, given: CrossInputs) -> tuple[Float64, Float64, Float64]:
    """Of each different value of the list: times shown to the user, and clicked, and the user's leaning to it."""
    place_of, num = given.place_of_value, 0
    listed = np.empty(given.value_num[slots].sum(), np.int32)
    for slot in slots:
        start = given.value_start[slot]
        for at in range(start, start + given.value_num[slot]):
            value = given.values[at]
            if not (0 <= place_of[value] < num and listed[place_of[value]] == value):
                place_of[value], listed[num] = num, value
                num += 1
    shown, clicked, lean = np.zeros(num), np.zeros(num), np.zeros(num)
    for a in range(len(given.answered_A)):
        start = given.value_start[given.answered_A[a]]
        for at in range(start, start + given.value_num[given.answered_A[a]]):
            place = place_of[given.values[at]]
            if place < num and listed[place] == given.values[at]:
                shown[place] += 1.0
                clicked[place] += 1.0 if given.answer_A[a] > 0 else 0.0
    for b in range(len(given.value_B)):
        place = place_of[given.value_B[b]]
        if place < num and listed[place] == given.value_B[b]:
            lean[place] = given.lean_B[b]
    return shown, clicked, lean


@njit(cache=True, error_model="numpy", nogil=True)
def _fill_items(out_NX: Float32, slots: Int32, column: int, given: CrossInputs) -> None:
    """Co-clicks; times shown and clicked; seconds since shown; price ratio."""
    place_of, num = given.place_of_slot, len(slots)
    for n in range(num - 1, -1, -1):
        place_of[slots[n]] = n
    shown, clicked, weight = np.zeros(num), np.zeros(num), np.zeros(num)
    last_ms = np.zeros(num, np.int64)
    a = 0
    for s in range(len(given.num_S)):
        for slot in given.answered_A[a : a + given.num_S[s]]:
            place = place_of[slot]
            if place < num and slots[place] == slot:
                shown[place] += 1.0
                last_ms[place] = max(last_ms[place], given.shown_ms_S[s])
        a += given.num_S[s]
    for h in range(len(given.action_H)):
        place = place_of[given.action_H[h]]
        if given.action_kind_H[h] == CLICK and place < num and slots[place] == given.action_H[h]:
            clicked[place] += 1.0
    for c in range(len(given.other_C)):
        place = place_of[given.other_C[c]]
        if place < num and slots[place] == given.other_C[c]:
            weight[place] += given.weight_C[c]
    for n in range(num):
        row, place = out_NX[n], place_of[slots[n]]
        since_s = max(given.now_ms - last_ms[place], 0) / 1000 if shown[place] else given.never_shown_s
        row[column] = math.log1p(PRIOR_CO_CLICKS * weight[place] / max(given.num_co_clicked, 1))
        row[column + 1], row[column + 2] = math.log1p(shown[place]), math.log1p(clicked[place])
        row[column + 3] = math.log1p(since_s)
        ratio = math.log1p(given.price[slots[n]]) - given.log_price
        row[column + 4] = 0.0 if math.isnan(ratio) else ratio
