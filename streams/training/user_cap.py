"""No user has more weight than many: of one who has far more slates than others, only the newest are taken. Pure.

"Far more" is `TIMES_MEDIAN` times the median over users, so a site of one user learns all of theirs, and a flood among
others is cut to their measure. What is left out stays in the buffer; of slates drawn from there for replay, which come
from many visits, fewer of one user are usual.
"""

from collections import Counter
from collections.abc import Sequence
from statistics import median

from streams.training.buffered_slate import ReadySlate

__all__ = ["MIN_REPLAYED", "cap_users", "user_cap"]

TIMES_MEDIAN = 4
# So many new slates are never too many: a visit has that.
MIN_SLATES = 16
MIN_REPLAYED = 1


def user_cap(num_by_user: Sequence[int], min_slates: int = MIN_SLATES) -> int:
    """Slates that one user may have among those of users with these numbers of slates."""
    return max(min_slates, round(TIMES_MEDIAN * median(num_by_user))) if num_by_user else min_slates


def cap_users(slates: Sequence[ReadySlate], min_slates: int = MIN_SLATES) -> list[ReadySlate]:
    """The slates in their order, without the oldest ones of users who have more than the cap."""
    num_left = Counter(entry.slate.user_id for entry in slates)
    cap = user_cap(list(num_left.values()), min_slates)
    kept = []
    for entry in slates:
        if num_left[entry.slate.user_id] <= cap:
            kept.append(entry)
        else:
            num_left[entry.slate.user_id] -= 1
    return kept
