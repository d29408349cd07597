"""Short lists of numbers by slot, side by side in one array, so that compiled code can read those of many slots."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["ValueLists"]

Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
# The array is packed anew when this share of it belongs to no list any more.
UNUSED_FRAC = 0.5


class ValueLists:
    """`held[start[slot] : start[slot] + num[slot]]` are the numbers of a slot; none for a slot that was never set."""

    def __init__(self) -> None:
        self.start: Int64 = np.zeros(0, np.int64)
        self.num: Int64 = np.zeros(0, np.int64)
        self.held: Int32 = np.zeros(1024, np.int32)
        self._end = self._unused = 0

    def __getitem__(self, slot: int) -> Int32:
        """The numbers of a slot."""
        start = int(self.start[slot])
        return self.held[start : start + int(self.num[slot])]

    def __setitem__(self, slot: int, numbers: Sequence[int]) -> None:
        """Numbers instead of those that the slot had."""
        self._unused += int(self.num[slot])
        if self._end + len(numbers) > len(self.held):
            self._make_room(slot, len(numbers))
        self.held[self._end : self._end + len(numbers)] = numbers
        self.start[slot], self.num[slot] = self._end, len(numbers)
        self._end += len(numbers)

    def grow(self, num_slots: int) -> None:
        """Make room for so many slots in all."""
        for name in ("start", "num"):
            grown = np.zeros(num_slots, np.int64)
            grown[: len(getattr(self, name))] = getattr(self, name)
            setattr(self, name, grown)

    def _make_room(self, slot: int, num: int) -> None:
        self.num[slot] = 0
        if self._unused >= UNUSED_FRAC * len(self.held):
            kept = [self[other] for other in range(len(self.num))]
            packed = np.concatenate(kept)
            self.start = np.cumsum(self.num) - self.num
            self.held[: len(packed)] = packed
            self._end, self._unused = len(packed), 0
        if self._end + num > len(self.held):
            self.held = np.concatenate([self.held, np.zeros(max(num, len(self.held)), np.int32)])
