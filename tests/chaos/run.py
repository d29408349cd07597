"""One run: a site under load, faults as planned, then peace, and the audit."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from streams.clock import SystemClock
from streams.errors import FreshrankError
from streams.kafka.bulk_sender import BulkRecord, BulkSender
from streams.kafka.lag import our_groups
from streams.kafka.lag_reader import read_lag
from streams.replay.sender import close_windows
from streams.replay.waiting import SettledView
from streams.settings import Settings
from tests.chaos import audit
from tests.chaos.fleet import Fleet
from tests.chaos.load import Load
from tests.chaos.outcome import Outcome, read_buffer, read_outcome
from tests.chaos.plan import Step
from tests.chaos.site import Layout, Site, site_settings
from tests.recovery.role_nursery import RoleNursery
from tests.recovery.runs import prepare, records_of

EVENTS_PER_S = 50.0
NUM_EVENTS = 60_000
STALL_S = 300.0
POLL_S = 0.1


@dataclass(slots=True)
class RunReport:
    """What was done, and every difference that the audit found; none is what is wanted.

    `shares`: the `events` partitions of each worker at the end.
    """

    seed: int
    kills: Counter[str] = field(default_factory=Counter)
    done: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    num_events: int = 0
    num_slates: int = 0
    num_clicked: int = 0
    num_rankings: int = 0
    num_versions: int = 0
    seconds: float = 0.0
    settle_seconds: float = 0.0
    shares: dict[str, list[int]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)


async def run(
    nursery: RoleNursery,
    folder: Path,
    layout: Layout,
    plan: Sequence[Step],
    *,
    seed: int,
    say: Callable[[str], None],
    calm_s: float = 0.0,
) -> RunReport:
    """Carry out a plan, go on with the load for `calm_s` when all is well again, and audit what came of it."""
    report, clock = RunReport(seed), SystemClock()
    began_s = clock.monotonic_s()
    async with _running(Site(nursery, folder, layout, Settings().cache_dir)) as site:
        try:
            sent = await _disturbed(site, plan, seed, say, calm_s)
            ended_s = clock.monotonic_s()
            await _settled(site.settings, site.fleet)
            report.settle_seconds = clock.monotonic_s() - ended_s
            report.shares = site.fleet.shares()
            say("settled")
            await _audit(nursery, site, sent, report)
        except FreshrankError as error:
            report.wrong.append(str(error))
        report.kills, report.done, report.skipped = site.fleet.num_kills, site.done, site.skipped
    report.seconds = clock.monotonic_s() - began_s
    return report


async def _audit(nursery: RoleNursery, site: Site, sent: list[dict[str, Any]], report: RunReport) -> None:
    await _stop_trainer(site)
    events = audit.good_events(await records_of(site.settings, "events"))
    users, items = audit.entities(events)
    outcome = await read_outcome(site.settings, site.repo(), users, items)
    straight = await _straight(nursery, site, outcome, users, items)
    report.wrong = [
        *audit.lost_events(sent, events),
        *audit.wrong_totals(events, outcome),
        *audit.wrong_rankings(events, outcome),
        *audit.wrong_outcome(outcome, straight),
        *audit.wrong_buffer(read_buffer(site.settings), straight),
    ]
    report.num_events, report.num_slates = len(events), len(straight.shown)
    report.num_rankings, report.num_versions = len(outcome.rankings), len(outcome.announced)
    report.num_clicked = int(sum(sum(facts[2]) for key, facts in straight.labels.items() if key.endswith("/click")))


@asynccontextmanager
async def _running(site: Site) -> AsyncIterator[Site]:
    async with AsyncExitStack() as stack:
        stack.enter_context(site.disk)
        if site.redis is not None:
            await stack.enter_async_context(site.redis)
        await asyncio.to_thread(site.broker.start)
        stack.callback(site.broker.kill)
        await prepare(site.settings)
        for name in ("trainer", *(f"worker-{number}" for number in range(site.layout.num_workers))):
            site.fleet.add(name)
        stack.callback(site.fleet.kill_all)
        keeper = asyncio.create_task(site.keep_alive())
        stack.callback(keeper.cancel)
        yield site


async def _disturbed(
    site: Site, plan: Sequence[Step], seed: int, say: Callable[[str], None], calm_s: float
) -> list[dict[str, Any]]:
    """Load and faults; returns what was sent."""
    if not site.disk.is_small:
        say(f"the models folder cannot be filled: {site.disk.reason}")
    await site.mend()
    say("everybody is ready")
    stop = asyncio.Event()
    load = Load(site.settings, seed, EVENTS_PER_S, NUM_EVENTS)
    sending = asyncio.create_task(load.run(stop))
    for number, step in enumerate(plan, 1):
        await asyncio.sleep(step.gap_s)
        say(f"{number}/{len(plan)} {step}")
        await site.do(step)
    say("mending")
    await site.mend()
    await asyncio.sleep(calm_s)
    stop.set()
    await sending
    return load.sent


async def _settled(settings: Settings, fleet: Fleet) -> None:
    """Wait until both groups are at the end of the log, close all windows, and wait again."""
    await _consumed(settings, fleet)
    ends_ms = max(event["occurred_at_ms"] for event in audit.good_events(await records_of(settings, "events")))
    async with BulkSender(settings) as sink:
        await close_windows(sink, settings, ends_ms)
    await _consumed(settings, fleet)


async def _consumed(settings: Settings, fleet: Fleet) -> None:
    clock, view = SystemClock(), SettledView(STALL_S)
    groups = list(our_groups(settings))
    if not any(member.role == "trainer" for member in fleet.members.values()):
        groups.remove(settings.trainer_group)
    while not (
        view.is_settled(await asyncio.to_thread(read_lag, settings, groups, clock.now_ms()), clock.monotonic_s())
        and fleet.is_ready
    ):
        await asyncio.sleep(POLL_S)


async def _stop_trainer(site: Site) -> None:
    [trainer] = site.fleet.of_role("trainer")
    site.fleet.leave(trainer)
    while trainer.name in site.fleet.members:
        await asyncio.sleep(POLL_S)


async def _straight(nursery: RoleNursery, site: Site, outcome: Outcome, users: list[str], items: list[str]) -> Outcome:
    """The same records, in the same order and partitions, to one worker that nobody disturbs."""
    settings = site_settings(site.layout, site.broker.bootstrap_servers, site.folder / "straight", "straight.")
    await prepare(settings)
    async with BulkSender(settings) as sink:
        topic = f"{settings.topic_prefix}events"
        await sink.send([BulkRecord(topic, r.key and r.key.decode(), r.value, r.partition) for r in outcome.events])
        await sink.flush()
    fleet = Fleet(nursery, lambda _: settings)
    worker = fleet.add("worker")
    try:
        while not await asyncio.to_thread(lambda: worker.is_ready):
            fleet.tick()
            await asyncio.sleep(POLL_S)
        await _consumed(settings, fleet)
        return await read_outcome(settings, settings.data_dir / "feature_repo", users, items)
    finally:
        fleet.kill_all()
