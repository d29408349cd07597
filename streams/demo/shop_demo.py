"""The demo with simulated shoppers: two minutes of a shop, then proof that rankings improved and nothing was lost."""

import asyncio
from dataclasses import dataclass, field

from streams.clock import Clock
from streams.demo.crowd import Crowd, crowd_size
from streams.demo.figures import Figures, Latencies, QualityRow, Verdict
from streams.demo.monitor import Monitor
from streams.demo.proof import prove_nothing_lost, settle
from streams.demo.quality_board import QualityBoard
from streams.demo.screen import Screen
from streams.demo.site import Site
from streams.demo.world import World, WorldSpec
from streams.kafka.group_offsets import GroupOffsets
from streams.replay.catalogue_barrier import wait_for_catalogue
from streams.settings import Settings
from streams.supervisor.deployment import Deployment
from streams.topics import topic_specs

__all__ = ["EVENTS_PER_S", "ShopDemo", "shop_settings"]

EVENTS_PER_S = 200.0
NUM_ITEMS, NUM_USERS = 400, 320
NUM_PARTITIONS = 4
_ROUND_SLATES, _ROUND_INTERVAL_S = 64, 4.0
# Two cores carry all of this and the shoppers too: a list of our own is refreshed for a click, but not for each.
_CANDIDATES, _RERANK_INTERVAL_S = 100, 3.0
# The demo is short, so its windows are; a real shop waits hours for a cart and days for an order.
_WINDOWS_S = {
    "click": 10.0, "dwell": 30.0, "cart": 30.0, "order": 60.0, "order_cancelled": 90.0, "dislike": 30.0,
    "quick_back": 30.0,
}  # fmt: skip
_PERIOD_MIN_S, _PERIODS = 10.0, 6
_SHOW_EVERY_S = 0.25
_MIN_PER_HOUR = 60


def shop_settings(base: Settings, seed: int) -> Settings:
    """Settings that let two minutes show what days would."""
    return base.model_copy(
        update={
            "num_partitions": NUM_PARTITIONS,
            "labels": base.labels.model_copy(update={"window_overrides_s": _WINDOWS_S}),
            "ranking": base.ranking.model_copy(
                update={"candidates": _CANDIDATES, "rerank_interval_s": _RERANK_INTERVAL_S}
            ),
            "training": base.training.model_copy(
                update={"round_slates": _ROUND_SLATES, "round_interval_s": _ROUND_INTERVAL_S, "seed": seed}
            ),
        }
    )


@dataclass(slots=True)
class ShopDemo:
    """One demo on a ready deployment."""

    deployment: Deployment
    screen: Screen
    clock: Clock
    minutes: float
    seed: int
    figures: Figures = field(default_factory=Figures)
    _shown_at_s: float = 0.0

    def run(self) -> Verdict:
        """Browse, let everything settle, and judge. Raises FreshrankError when a role stalls."""
        settings, clock = self.deployment.settings, self.clock
        starts_at_ms = clock.now_ms()
        world = World(WorldSpec(seed=self.seed, num_items=NUM_ITEMS, num_users=NUM_USERS, starts_at_ms=starts_at_ms))
        self.figures.total_s = 60 * self.minutes
        num_periods = max(1, min(_PERIODS, int(self.figures.total_s / _PERIOD_MIN_S)))
        board = QualityBoard(
            world,
            settings.score_weights,
            starts_at_ms,
            period_s=self.figures.total_s / num_periods,
            num_periods=num_periods,
        )
        crowd = Crowd(world, crowd_size(world, EVENTS_PER_S), starts_at_ms, self.seed)
        with Site(settings, crowd, board, clock) as site, Monitor(settings, self._urls) as monitor:
            site.put_catalogue(world.catalogue())
            asyncio.run(self._catalogue_applied(settings))
            until_ms = starts_at_ms + int(1000 * self.figures.total_s)
            site.browse(until_ms, lambda: self._tell(site, board, monitor, starts_at_ms))
            self.screen.note("shoppers have left; waiting until everything is consumed …")
            asyncio.run(settle(settings, until_ms, clock))
            monitor.look()
            self._update(site, board, monitor, starts_at_ms, until_ms)
            return self._judge(site, board)

    def _urls(self) -> dict[str, str]:
        return self.deployment.supervisor.role_urls if self.deployment.supervisor is not None else {}

    async def _catalogue_applied(self, settings: Settings) -> None:
        with GroupOffsets(settings) as offsets:
            ends = offsets.ends([topic_specs(settings)["catalogue"].name])
        reached = {partition: end for (_, partition), end in ends.items()}
        await wait_for_catalogue(settings.data_dir, reached, self.clock)

    def _tell(self, site: Site, board: QualityBoard, monitor: Monitor, starts_at_ms: int) -> None:
        now_s = self.clock.monotonic_s()
        if now_s - self._shown_at_s >= _SHOW_EVERY_S:
            self._shown_at_s = now_s
            self._update(site, board, monitor, starts_at_ms, self.clock.now_ms())
            self.screen.show(self.figures)

    def _update(self, site: Site, board: QualityBoard, monitor: Monitor, starts_at_ms: int, now_ms: int) -> None:
        figures, seen = self.figures, monitor.seen
        figures.elapsed_s = (now_ms - starts_at_ms) / 1000
        figures.events_sent = site.ledger.num_events
        figures.events_per_s = figures.events_sent / max(figures.elapsed_s, 1e-9)
        figures.latencies = Latencies.of(site.waits_ms)
        figures.unanswered = board.num_unanswered
        figures.model_version, figures.models_published = seen.model_version, seen.models_published
        figures.rounds, figures.rejects, figures.lag = seen.rounds, seen.rejects, seen.lag
        figures.quality = _rows(board)

    def _judge(self, site: Site, board: QualityBoard) -> Verdict:
        problems: list[str] = []
        if not board.has_improved():
            problems.append("rankings did not improve on the site's own order")
        if site.num_dropped:
            problems.append(f"{site.num_dropped:,} events were dropped before Kafka had them")
        if self.figures.rejects:
            problems.append(f"{self.figures.rejects:,} valid events were rejected")
        return Verdict({}, tuple(problems)).joined(prove_nothing_lost(self.deployment, site.ledger))


def _rows(board: QualityBoard) -> list[QualityRow]:
    return [
        QualityRow(_clock((number + 1) * board.period_s), period.num_lists, _quality(period.worth))
        for number, period in enumerate(board.periods)
        if period.num_lists
    ]


def _quality(worth: dict[str, float]) -> dict[str, float]:
    return {ranker: value / worth["oracle"] for ranker, value in worth.items()}


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), _MIN_PER_HOUR)
    return f"{minutes}:{rest:02d}"
