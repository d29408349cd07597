"""What a user did lately, as the ranker takes it: answers to shown items, and actions. Reads state and changes none."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streams.features.answers import joined
from streams.features.user_state import MAX_ANSWERS, UserState

__all__ = ["UserHistory", "action_ages_s", "capture_history", "last_answers"]

Float32 = NDArray[np.float32]
Int32 = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class UserHistory:
    """A answers and H actions, oldest first.

    `answer_A` int32 slots; `answer_y_A`: 1 clicked, 0 passed, -1 disliked; `answer_logit_A`: the item's smoothed click
    log-odds when it was shown. `action_H` int32 slots; `action_kind_H` int32, place in EVENT_KINDS; `action_age_s_H`.
    """

    answer_A: Int32
    answer_y_A: Float32
    answer_logit_A: Float32
    action_H: Int32
    action_kind_H: Int32
    action_age_s_H: Float32


def capture_history(user: UserState, now_ms: int) -> UserHistory:
    """The user's last 96 answers and 50 actions, as of the event time `now_ms`."""
    slot_A, answer_A, logit_A = last_answers(user)
    return UserHistory(
        slot_A,
        answer_A.astype(np.float32),
        logit_A,
        np.array(user.action_slots, np.int32),
        np.array(user.action_kinds, np.int32),
        action_ages_s(user, now_ms),
    )


def last_answers(user: UserState) -> tuple[Int32, NDArray[np.int8], Float32]:
    """Slots, answers and log-odds of the last 96 items shown, oldest first."""
    found = joined(user.answers)
    last = slice(-MAX_ANSWERS, None)
    return found.slot_A[last], found.answer_A[last], found.logit_A[last].astype(np.float32)


def action_ages_s(user: UserState, now_ms: int) -> Float32:
    """float32[H]: how long ago the user's actions are."""
    age_ms_H = np.maximum(now_ms - np.array(user.action_at_ms, np.int64), 0)
    return (age_ms_H / 1000).astype(np.float32)
