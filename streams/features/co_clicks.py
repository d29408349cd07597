"""Co-clicked neighbours of an item, summed over the sources, and the strongest of them.

Asked of every item that a user clicked lately, whenever a list is shown: a popular one has many in every source, and
each of its clicks changes them, so summing is compiled. Equal slots are found by a sparse set (see cross_kernel.py).
"""

from collections.abc import Callable, Sequence

import numpy as np
from numba import njit
from numpy.typing import NDArray

from streams.features.source_counts import Neighbours, neighbours_left

__all__ = ["by_strength", "strongest", "summed"]

Int32 = NDArray[np.int32]
Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]


def summed(held: Sequence[Neighbours], place_of: Int32) -> tuple[Int32, Float32]:
    """Slots, in the order in which they are first seen, and their weights as of the latest click of any source.

    `place_of`: scratch, int32[at least the highest slot + 1]; whatever is in it.
    """
    if not held:
        return np.zeros(0, np.int32), np.zeros(0, np.float32)
    slots = np.frombuffer(bytearray().join([one.slots for one in held]), np.int32)
    weights = np.frombuffer(bytearray().join([one.weights for one in held]), np.float64)
    found = _sum_up(slots, weights, place_of)
    left = neighbours_left(max(one.at_ms for one in held))
    return slots[:found].copy(), (weights[:found] * left).astype(np.float32)


# Holds the interpreter's lock: nobody else may use the scratch meanwhile.
@njit(cache=True, error_model="numpy")
def _sum_up(slots: Int32, weights: Float64, place_of: Int32) -> int:
    """Sum the weights of equal slots, in order, at the front of both arrays. Returns how many slots there are."""
    num = 0
    for at in range(len(slots)):
        slot = slots[at]
        place = place_of[slot]
        if 0 <= place < num and slots[place] == slot:
            weights[place] += weights[at]
        else:
            place_of[slot], slots[num], weights[num] = num, slot, weights[at]
            num += 1
    return num


def strongest(num: int, slots: Int32, weights: Float32, id_of: Callable[[int], str]) -> tuple[Int32, Float32]:
    """The `num` strongest, in any order; of equal ones those with the first ids."""
    if len(slots) <= num:
        return slots, weights
    bound = np.partition(weights, -num)[-num]
    kept, equal = np.flatnonzero(weights > bound), np.flatnonzero(weights == bound)
    if len(kept) + len(equal) > num:
        by_id = sorted(equal.tolist(), key=lambda at: id_of(int(slots[at])))
        equal = np.array(by_id[: num - len(kept)], np.intp)
    kept = np.concatenate([kept, equal])
    return slots[kept], weights[kept]


def by_strength(slots: Int32, weights: Float32, id_of: Callable[[int], str]) -> tuple[Int32, Float32]:
    """The same, strongest first; equal ones are in order of their ids."""
    held = slots.tolist()
    order = sorted(zip((-weights).tolist(), map(id_of, held), range(len(held)), strict=True))
    places = np.array([place for _, _, place in order], np.intp)
    return slots[places], weights[places]
