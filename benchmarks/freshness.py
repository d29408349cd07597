"""How fresh lists, rows and models are at a steady load, and what a single request waits, beside Metarank's figures.

Broker, worker and trainer run as `freshrank up` starts them, with default settings; a site in a process of its own
sends the ingest benchmark's mix. Waits between topics are differences of Kafka's append times (whole milliseconds),
read after the run. Round trips (benchmarks/round_trips.py) are asked one after another: without load, then under it.
One that is not answered within 10 s counts as 10 s, and is given up.

`python -m benchmarks.freshness --rate 1000 --seconds 120 --json FILE`; and `--rate 5000`. Some five minutes.
"""

import argparse
import asyncio
import json
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.feature_row_waits import row_waits_ms
from benchmarks.ingest_log import MIX, NUM_ITEMS, NUM_USERS
from benchmarks.live_run import LiveRun, data_settings, live_run, tell
from benchmarks.machine import machine
from benchmarks.model_waits import model_waits, rounds_of
from benchmarks.process_cost import cpu_s
from benchmarks.refreshes import match
from benchmarks.round_trips import GIVEN_UP_MS, KINDS, RoundTrips
from benchmarks.site_load import Sent, SiteLoad, Step
from benchmarks.topic_facts import TopicFacts, read_facts
from benchmarks.waits import percentiles_ms, rounded
from streams.features.rows import ITEM_COUNTERS, USER_COUNTERS
from streams.settings import Settings
from streams.training.schedule import BACKLOG_FACTOR

__all__ = ["main"]

SEED, RAMP_S, PAUSE_S = 1, 20.0, 0.025
TOPICS = ("events", "rankings", "training-examples", "model-updates")
Figures = dict[str, Any]
Say = Callable[[str], None]
GOALS = {
    "event to refreshed list (prompt)": {"p50_ms": 15, "p99_ms": 60},
    "event to Feast row of its user": {"p99_ms": 1000},
    "rank request, own list of 200, without load": {"p50_ms": 8, "p99_ms": 16},
    "rank request, own list of 200, under load": {"p99_ms": 40},
}
# Metarank 0.7.11 on a like machine (2 cores, client on the same cores), trees and no learning, by HTTP, measured by
# this project in another run.
METARANK = {
    "/rank of 200 items, one after another": {"p50_ms": 10.1, "p95_ms": 13.4, "p99_ms": 16.3},
    "click to changed ranking, one list open": {"p50_ms": 4.9, "p95_ms": 8.8},
    "click to changed ranking, 200 lists open": {"p50_ms": 60, "p95_ms": 151},
}


async def under_load(run: LiveRun, trips: RoundTrips, load: SiteLoad) -> dict[str, Any]:
    """Ask while the load runs; the waits of each kind, and the most slates that waited for a round."""
    waits: dict[str, list[float]] = {kind: [] for kind in KINDS}
    await asyncio.sleep(RAMP_S)
    most_waiting = 0.0
    while load.is_running:
        for kind, found in (await trips.measure(KINDS, 2, PAUSE_S)).items():
            waits[kind] += found
        samples = await asyncio.to_thread(run.counts, "trainer")
        most_waiting = max(most_waiting, samples.get("slates_waiting", 0.0))
    return {"waits": waits, "most_slates_waiting": most_waiting}


async def list_cpu_ms(run: LiveRun, trips: RoundTrips, num: int) -> float:
    """Processor time of the worker for one own list asked for alone, all that runs beside it included."""
    pid = run.pid("worker-0")
    before_s = cpu_s(pid)
    await trips.measure(["own"], num)
    return 1000 * (cpu_s(pid) - before_s) / num


async def measure(run: LiveRun, rate: float, seconds: float, num_requests: int, say: Say) -> dict[str, Any]:
    """Everything while the deployment runs."""
    async with RoundTrips(run.settings) as trips:
        say("round trips without load")
        quiet = await trips.measure(KINDS, num_requests)
        cpu_ms = await list_cpu_ms(run, trips, num_requests)
        say("round trips under load")
        before = run.counts()
        load = SiteLoad(run.settings, "live", [Step(rate, RAMP_S), Step(rate, seconds)], seed=SEED, client="site")
        try:
            loaded = await under_load(run, trips, load)
            sent = load.sent()[1]
        finally:
            load.kill()
        own_ids = set(trips.request_ids["own"])
    await run.consumed()
    await asyncio.sleep(3)  # one more look of the worker at its counts
    facts = await read_facts(run.settings, sent.began_ms, sent.ended_ms, TOPICS, keeps_events=True)
    return {
        "quiet": quiet, "loaded": loaded, "sent": sent, "facts": facts, "own_ids": own_ids, "before": before,
        "after": run.counts(), "cpu_ms": cpu_ms,
    }  # fmt: skip


def refresh_figures(settings: Settings, facts: TopicFacts, before: Figures, after: Figures) -> Figures:
    """Triggers and their lists; counts of the worker's own are of the whole load, ramp included."""
    ranking = settings.ranking
    found = match(
        facts.triggers,
        facts.refreshes,
        interval_ms=round(1000 * ranking.rerank_interval_s),
        max_delay_ms=round(1000 * ranking.rerank_max_delay_s),
    )
    names = [name for name in after if name.startswith(("sheds_total", "rankings_total"))]
    return {
        "event to refreshed list (prompt)": percentiles_ms(found.prompt_ms),
        "event to refreshed list (waited for the user's interval; from its turn)": percentiles_ms(found.after_turn_ms),
        "triggers": {
            "all": found.num_triggers,
            "listed": len(found.listed),
            "coalesced": len(found.coalesced),
            "shed": len(found.shed),
        },
        "counted by the worker": {name: after[name] - before.get(name, 0.0) for name in sorted(names)},
    }


def row_figures(settings: Settings, facts: TopicFacts) -> Figures:
    """From the history of rows, once the worker has stopped."""
    figures: Figures = {}
    for words, view, events in (
        ("event to Feast row of its user", USER_COUNTERS, facts.user_events),
        ("event to Feast row of its item", ITEM_COUNTERS, facts.item_events),
    ):
        waits_ms, num_missing = row_waits_ms(settings, view, events)
        figures[words] = {**percentiles_ms(waits_ms), "num_missing": num_missing}
    return figures


def trip_figures(found: dict[str, Any]) -> Figures:
    """Round trips without load and under it, and the part of the worker's own lists between the topics."""
    names = {
        "kafka": "bare hop through Kafka", "faust": "hop through a stock Faust agent",
        "own": "rank request, own list of 200", "given": "rank request, 200 given items",
        "site": "rank request, own list of 200, by the site's clients",
    }  # fmt: skip
    figures: Figures = {}
    for when, waits in (("without load", found["quiet"]), ("under load", found["loaded"]["waits"])):
        figures |= {
            f"{names[kind]}, {when}": {**percentiles_ms(waits[kind]), "given up": waits[kind].count(GIVEN_UP_MS)}
            for kind in KINDS
        }
    facts: TopicFacts = found["facts"]
    inside = [
        facts.answered_ms[name] - at_ms
        for name, at_ms in facts.asked_ms.items()
        if name in found["own_ids"] and name in facts.answered_ms
    ]
    return {**figures, "rank request appended to list appended, under load": percentiles_ms(inside)}


def model_figures(settings: Settings, found: dict[str, Any]) -> Figures:
    """How soon a model has learned."""
    facts: TopicFacts = found["facts"]
    rounds = rounds_of(settings.data_dir)
    waits = model_waits(facts.examples_ms, rounds, facts.announced_ms, facts.versions)
    most = found["loaded"]["most_slates_waiting"]
    return {
        "example to the round that learns it": percentiles_ms(waits.round_ms),
        "example to announced model": percentiles_ms(waits.announced_ms),
        "example to first list scored with it": percentiles_ms(waits.served_ms),
        "examples": {
            "num": len(facts.examples_ms),
            "not served in this run": waits.num_not_served,
            "most waiting": most,
            "is a lower bound": most > BACKLOG_FACTOR * settings.training.round_slates,
        },
        "rounds": {"all": len(rounds), "published": sum(one.version is not None for one in rounds)},
    }


def report(ran_on: Figures, settings: Settings, rate: float, found: dict[str, Any]) -> Figures:
    """Everything that is printed."""
    sent: Sent = found["sent"]
    own = {
        **refresh_figures(settings, found["facts"], found["before"], found["after"]),
        **row_figures(settings, found["facts"]),
        **trip_figures(found),
        **model_figures(settings, found),
        "worker cpu_ms per own list": rounded(found["cpu_ms"]),
    }
    ours, theirs = own["rank request, 200 given items, without load"]["p50_ms"], 10.1
    return {
        "machine": ran_on,
        "versions": {name: version(name) for name in ("freshrank", "faust-streaming", "aiokafka", "feast", "torch")},
        "facts": {"mix": MIX, "users": NUM_USERS, "items": NUM_ITEMS, "events_per_s asked": rate},
        "sent": {"events_per_s": sent.events_per_s, "events": sent.num_sent, "dropped": sent.num_dropped},
        "own": own,
        "peers": {"Metarank 0.7.11 (measured by this project, another run)": METARANK},
        "ratios": {"Metarank / ours, p50 of 200 given items, without load": theirs / ours},
        "goals": GOALS,
    }


def main() -> None:
    """Run, print, and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=1000.0, help="events a second")
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--warm-events", type=int, default=20_000, help="history before the load")
    parser.add_argument("--requests", type=int, default=500, help="round trips of each kind without load")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    arguments = parser.parse_args()
    ran_on = machine()
    with tempfile.TemporaryDirectory(prefix="freshrank-freshness-") as folder:
        settings = data_settings(Path(folder, "run"))
        with live_run(settings, arguments.warm_events, tell) as run:
            found = asyncio.run(measure(run, arguments.rate, arguments.seconds, arguments.requests, tell))
        result = report(ran_on, settings, arguments.rate, found)
    text = json.dumps(result, indent=2)
    if arguments.json:
        arguments.json.write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
