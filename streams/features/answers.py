"""How a user answered the slates shown lately, and all of these answers side by side, as compiled code reads them.

Numbers are kept in typed arrays, not in lists: they take a quarter of the memory, and joining a user's is a copy of
bytes, where making arrays of lists would be most of a capture.
"""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["AnswerColumns", "Answers", "joined"]


@dataclass(slots=True, init=False)
class Answers:
    """One shown slate as the user answered it: items, and whether each was clicked (1), disliked (-1) or passed (0).

    `logits`: each item's smoothed click log-odds when it was shown.
    """

    slate_id: str
    surface: str
    at_ms: int
    slots: "array[int]"
    clicked: "array[int]"
    logits: "array[float]"

    def __init__(  # noqa: PLR0917 - the order in which they are kept
        self,
        slate_id: str,
        surface: str,
        at_ms: int,
        slots: Sequence[int],
        clicked: Sequence[int],
        logits: Sequence[float],
    ) -> None:
        self.slate_id, self.surface, self.at_ms = slate_id, surface, at_ms
        self.slots, self.clicked, self.logits = array("i", slots), array("b", clicked), array("d", logits)


@dataclass(frozen=True, slots=True)
class AnswerColumns:
    """A answers to S slates, oldest first. `slot_A` int32; `answer_A` int8; `logit_A` float64.

    `num_S`, `at_ms_S`, int64: how many answers a slate has, and when it was shown.
    """

    slot_A: NDArray[np.int32]
    answer_A: NDArray[np.int8]
    logit_A: NDArray[np.float64]
    num_S: NDArray[np.int64]
    at_ms_S: NDArray[np.int64]


def joined(answers: Sequence[Answers]) -> AnswerColumns:
    """The answers to all slates, as read-only arrays."""
    return AnswerColumns(
        np.frombuffer(b"".join([one.slots for one in answers]), np.int32),
        np.frombuffer(b"".join([one.clicked for one in answers]), np.int8),
        np.frombuffer(b"".join([one.logits for one in answers]), np.float64),
        np.array([len(one.slots) for one in answers], np.int64),
        np.array([one.at_ms for one in answers], np.int64),
    )
