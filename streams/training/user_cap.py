"""No user has more weight than many: of one who has far more slates than others, only the newest are taken. Pure.

"Far more" is `TIMES_MEDIAN` times the median over users, so a site of one user learns all of theirs, and a flood among
others is cut to their measure. What is left out stays in the buffer, where the same rule holds when it is replayed.
"""

from collections import Counter
from collections.abc import Sequence
from statistics import median

from streams.training.buffered_slate import ReadySlate

__all__ = ["cap_users", "user_cap"]

TIMES_MEDIAN = 4
# So many are never too many: a visit has that.
MIN_SLATES = 16


def user_cap(num_by_user: Sequence[int]) -> int:
    """Slates that one user may have among those of users with these numbers of slates."""
    return max(MIN_SLATES, round(TIMES_MEDIAN * median(num_by_user))) if num_by_user else MIN_SLATES


def cap_users(slates: Sequence[ReadySlate]) -> list[ReadySlate]:
    """The slates in their order, without the oldest ones of users who have more than the cap."""
    num_left = Counter(entry.slate.user_id for entry in slates)
    cap = user_cap(list(num_left.values()))
    kept = []
    for entry in slates:
        if num_left[entry.slate.user_id] <= cap:
            kept.append(entry)
        else:
            num_left[entry.slate.user_id] -= 1
    return kept
