"""What a burst did to lists: how stale they were second by second, when that was over, and whom the shedding hit."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.refreshes import Refreshed, Trigger
from benchmarks.waits import rounded

__all__ = ["ACTIVITY", "by_activity", "by_bin", "kept_share", "recovered_after_s", "within"]

BIN_S = 5
# Users by how many triggers they gave in the time looked at: (name, at least).
ACTIVITY = (("1", 1), ("2-3", 2), ("4-9", 4), ("10-29", 10), ("30+", 30))


def kept_share(found: Refreshed) -> float | None:
    """Of the turns that were worth a list, those that got one; a merged trigger is part of another's turn."""
    turns = len(found.listed) + len(found.shed)
    return rounded(len(found.listed) / turns) if turns else None


def by_bin(waits: Iterable[tuple[int, int]], from_ms: int) -> list[dict[str, Any]]:
    """(appended, wait) in milliseconds as p50 and p95 for each `BIN_S` seconds since `from_ms`."""
    bins: dict[int, list[int]] = defaultdict(list)
    for appended_ms, wait_ms in waits:
        bins[(appended_ms - from_ms) // (1000 * BIN_S)].append(wait_ms)
    found = []
    for number in sorted(bins):
        p50_ms, p95_ms = np.percentile(bins[number], [50, 95]).tolist()
        row = {"at_s": number * BIN_S, "p50_ms": rounded(p50_ms), "p95_ms": rounded(p95_ms), "num": len(bins[number])}
        found.append(row)
    return found


def recovered_after_s(bins: Sequence[Mapping[str, Any]], began_s: float, ended_s: float) -> float | None:
    """Seconds from the burst's end until the p95 is at most twice that before the burst, and stays so.

    0: it was so all the time. None: it did not come back, or nothing was seen before or after the burst.
    """
    usual_ms = [row["p95_ms"] for row in bins if row["at_s"] + BIN_S <= began_s]
    later = [row for row in bins if row["at_s"] + BIN_S > ended_s]
    if not usual_ms or not later:
        return None
    bad_s = [row["at_s"] + BIN_S for row in later if row["p95_ms"] > 2 * float(np.median(usual_ms))]
    if not bad_s:
        return 0.0
    return None if bad_s[-1] >= later[-1]["at_s"] + BIN_S else max(bad_s[-1] - ended_s, 0.0)


def by_activity(found: Refreshed) -> dict[str, dict[str, float]]:
    """For each band of activity: users, triggers, share of the triggers that a list covers, share of users with one."""
    covered = Counter(trigger.user_id for trigger in [*found.listed, *found.coalesced])
    listed = {trigger.user_id for trigger in found.listed}
    given = covered + Counter(trigger.user_id for trigger in found.shed)
    bands: dict[str, list[str]] = defaultdict(list)
    for user_id, num in given.items():
        bands[[name for name, least in ACTIVITY if num >= least][-1]].append(user_id)
    return {
        name: {
            "users": len(users),
            "triggers": sum(given[user] for user in users),
            "triggers_covered_frac": rounded(sum(covered[user] for user in users) / sum(given[u] for u in users)),
            "users_with_list_frac": rounded(sum(user in listed for user in users) / len(users)),
        }
        for name, _ in ACTIVITY
        if (users := bands.get(name))
    }


def within(found: Refreshed, is_in: Callable[[Trigger], bool]) -> Refreshed:
    """Only the triggers for which `is_in` holds; waits are left out."""
    return Refreshed(
        coalesced=list(filter(is_in, found.coalesced)),
        shed=list(filter(is_in, found.shed)),
        listed=list(filter(is_in, found.listed)),
    )
