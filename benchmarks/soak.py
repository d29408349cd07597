"""A deployment at a steady load for a long time: memory, open files, disk and lag, and whether any of them grows.

Growth is judged by halves of the time after the first tenth: caches fill at the start.
"""

import time
from statistics import mean
from typing import Any

from benchmarks.live_run import LiveRun, live_run, tell
from benchmarks.process_cost import folder_bytes, num_open_files, rss_bytes
from benchmarks.site_load import SiteLoad, Step
from benchmarks.waits import rounded
from streams.settings import Settings

__all__ = ["growth_frac", "soak"]

SEED, ROWS, ROLES = 3, 60, ("worker-0", "trainer")
WARM_FRAC, FLAT_FRAC = 0.1, 0.05
# What is to stay flat; disk grows by design: Kafka keeps seven days, the history of rows all.
FLAT = ("worker-0 rss_mb", "trainer rss_mb", "worker-0 open files", "trainer open files", "lag_s")
LAG_S = "kafka_consumergroup_group_lag_seconds"
Row = dict[str, float]


def soak(settings: Settings, rate: float, minutes: float, warm_events: int) -> dict[str, Any]:
    """Run it; a row each sixtieth of the time."""
    seconds, rows = 60 * minutes, list[Row]()
    with live_run(settings, warm_events, tell) as run:
        load = SiteLoad(run.settings, "soak", [Step(rate, seconds)], seed=SEED, client="site")
        try:
            began_s = time.perf_counter()
            while load.is_running:
                time.sleep(max(seconds / ROWS, 1.0))
                rows.append(look(run, time.perf_counter() - began_s))
                tell(str(rows[-1]))
            sent = load.sent()[0]
        finally:
            load.kill()
    growth = {name: growth_frac([row[name] for row in rows]) for name in FLAT}
    return {
        "own": {
            "sent events_per_s": rounded(sent.events_per_s),
            "rows": rows,
            "second half over first, less one": growth,
            "is flat": {name: found is not None and found <= FLAT_FRAC for name, found in growth.items()},
        },
        "peers": {},
        "ratios": {},
    }


def look(run: LiveRun, at_s: float) -> Row:
    """What there is to see now; a role that restarts has no figures."""
    row: Row = {"at_s": rounded(at_s)}
    for role in ROLES:
        pid = run.pid(role)
        row |= {f"{role} rss_mb": rounded(rss_bytes(pid) / 1e6), f"{role} open files": num_open_files(pid)}
    lags_s = [value for role in ROLES for name, value in run.counts(role).items() if name.startswith(LAG_S)]
    data = run.settings.data_dir
    own_mb = {f"{name} mb": folder_bytes(data / name) / 1e6 for name in ("state", "feature_repo", "buffer", "kafka")}
    return {**row, "lag_s": rounded(max(lags_s, default=0.0)), **{name: rounded(mb) for name, mb in own_mb.items()}}


def growth_frac(values: list[float]) -> float | None:
    """Mean of the second half over that of the first, less one, without the first tenth; None when there are too few.

    Of what is near nothing (a lag of some milliseconds) growth is counted from one.
    """
    later = values[int(len(values) * WARM_FRAC) :]
    half = len(later) // 2
    if not half:
        return None
    before, after = mean(later[:half]), mean(later[half:])
    return rounded((after - before) / max(before, 1.0))
