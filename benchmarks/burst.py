"""Ten times the load for two minutes: what is shed, how long lists are stale, whom it hits; and no label is lost.

The deployment is that of benchmarks/freshness.py. Three steps: a base rate, `--factor` times it, the base again. Waits
are from the trigger's append to its list's. At the end all label windows are closed and every impression in Kafka is
looked for among the examples.

`python -m benchmarks.burst --base 500 --burst-seconds 120 --json FILE`.
"""

import argparse
import asyncio
import json
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.burst_figures import by_activity, by_bin, kept_share, recovered_after_s, within
from benchmarks.live_run import LiveRun, data_settings, live_run, tell
from benchmarks.machine import machine
from benchmarks.refreshes import Refreshed, match
from benchmarks.site_load import Sent, SiteLoad, Step
from benchmarks.topic_facts import TopicFacts, read_facts
from streams.demo.example_audit import read_examples
from streams.demo.proof import settle
from streams.settings import Settings

__all__ = ["main"]

SEED, SAMPLE_S = 2, 1.0
STEPS = ("before", "burst", "after")
LAG_S, SHED = "kafka_consumergroup_group_lag_seconds", "sheds_total"
# Only to tell when lists have recovered: one that was given up is as stale as can be.
SHED_COUNTS_AS_MS = 3_600_000
Figures = dict[str, Any]


async def sample(run: LiveRun, load: SiteLoad) -> list[Figures]:
    """Every second: how old the oldest event is that the worker has not taken, and what it shed so far, by rule."""
    found: list[Figures] = []
    while load.is_running:
        counts = await asyncio.to_thread(run.counts)
        lags_s = [value for name, value in counts.items() if name.startswith(LAG_S) and ".events" in name]
        sheds = {name: value for name, value in counts.items() if name.startswith(SHED)}
        if lags_s:
            found.append({"at_ms": run.clock.now_ms(), "lag_s": max(lags_s), **sheds})
        await asyncio.sleep(SAMPLE_S)
    return found


async def measure(run: LiveRun, steps: list[Step]) -> Figures:
    """The load, then the audit."""
    before = run.counts()
    load = SiteLoad(run.settings, "burst", steps, seed=SEED, client="bulk")
    try:
        samples = await sample(run, load)
        sent = load.sent()
    finally:
        load.kill()
    tell("consuming the rest")
    await run.consumed()
    await asyncio.sleep(3)  # one more look of the worker at its counts
    counts = run.counts()
    facts = await read_facts(run.settings, 0, run.clock.now_ms(), ("events", "rankings"))
    tell("closing all label windows")
    await settle(run.settings, run.clock.now_ms(), run.clock)
    audit = await read_examples(run.settings)
    problems = audit.problems(facts.slates)
    return {
        "sent": sent, "samples": samples, "facts": facts, "sheds": _sheds(counts, before), "problems": problems,
        "num_slates": len(facts.slates), "num_labelled": len(audit.labelled),
    }  # fmt: skip


def _sheds(after: Figures, before: Figures) -> Figures:
    return {name: after[name] - before.get(name, 0.0) for name in sorted(after) if name.startswith(SHED)}


def figures(settings: Settings, found: Figures) -> Figures:
    """Everything of the run, by step."""
    facts: TopicFacts = found["facts"]
    sent: list[Sent] = found["sent"]
    from_ms = sent[0].began_ms
    triggers = [trigger for trigger in facts.triggers if trigger.appended_ms >= from_ms]
    ranking = settings.ranking
    matched = match(
        triggers,
        facts.refreshes,
        interval_ms=round(1000 * ranking.rerank_interval_s),
        max_delay_ms=round(1000 * ranking.rerank_max_delay_s),
    )
    waits = [(t.appended_ms, ms) for t, ms in zip(matched.listed, matched.listed_wait_ms, strict=True)]
    with_shed = [*waits, *((trigger.appended_ms, SHED_COUNTS_AS_MS) for trigger in matched.shed)]
    lags = [(one["at_ms"], round(1000 * one["lag_s"])) for one in found["samples"] if one["at_ms"] >= from_ms]
    bounds_s = [(sent[1].began_ms - from_ms) / 1000, (sent[1].ended_ms - from_ms) / 1000]
    of_step = dict(zip(STEPS, (_of_step(matched, one) for one in sent), strict=True))
    list_bins, lag_bins = by_bin(waits, from_ms), by_bin(lags, from_ms)
    return {
        "burst_from_to_s": bounds_s,
        "sent events per s": {name: one.events_per_s for name, one in zip(STEPS, sent, strict=True)},
        "labels": {
            "slates shown": found["num_slates"], "slates with click labels": found["num_labelled"],
            "problems": found["problems"],
        },
        "refreshes": {name: _counts(one) for name, one in of_step.items()},
        "sheds counted by the worker, by rule": found["sheds"],
        "trigger to list over time": list_bins,
        "oldest event not taken over time": lag_bins,
        "lists recovered after_s": recovered_after_s(by_bin(with_shed, from_ms), *bounds_s),
        "lag recovered after_s": recovered_after_s(lag_bins, *bounds_s),
        "burst, by triggers of the user": by_activity(of_step["burst"]),
        "before, by triggers of the user": by_activity(of_step["before"]),
    }  # fmt: skip


def _of_step(matched: Refreshed, sent: Sent) -> Refreshed:
    return within(matched, lambda trigger: sent.began_ms <= trigger.appended_ms < sent.ended_ms)


def _counts(found: Refreshed) -> Figures:
    return {
        "triggers": found.num_triggers,
        "listed": len(found.listed),
        "coalesced": len(found.coalesced),
        "shed": len(found.shed),
        "kept_frac": kept_share(found),
    }


def main() -> None:
    """Run, print, and write. Exit code 1 when a label is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", type=float, default=500.0, help="events a second before and after")
    parser.add_argument("--factor", type=float, default=10.0)
    parser.add_argument("--base-seconds", type=float, default=60.0)
    parser.add_argument("--burst-seconds", type=float, default=120.0)
    parser.add_argument("--after-seconds", type=float, default=120.0)
    parser.add_argument("--warm-events", type=int, default=20_000, help="history before the load")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    given = parser.parse_args()
    ran_on = machine()
    steps = [
        Step(given.base, given.base_seconds),
        Step(given.base * given.factor, given.burst_seconds),
        Step(given.base, given.after_seconds),
    ]
    with tempfile.TemporaryDirectory(prefix="freshrank-burst-") as folder:
        settings = data_settings(Path(folder, "run"))
        with live_run(settings, given.warm_events, tell) as run:
            found = asyncio.run(measure(run, steps))
    result = {
        "machine": ran_on,
        "versions": {name: version(name) for name in ("freshrank", "faust-streaming", "aiokafka", "torch")},
        "own": figures(settings, found),
        "peers": {},
        "ratios": {},
    }
    text = json.dumps(result, indent=2)
    if given.json:
        given.json.write_text(text + "\n")
    print(text)
    raise SystemExit(bool(found["problems"]))


if __name__ == "__main__":
    main()
