"""The demo with a real log: its lists are ranked before their clicks, in lock-step, and judged by those clicks."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from streams.clock import Clock
from streams.demo.figures import Figures, Latencies, QualityRow, Verdict
from streams.demo.histogram import quantile_of
from streams.demo.ledger import Ledger
from streams.demo.monitor import Monitor
from streams.demo.proof import prove_nothing_lost, settle
from streams.demo.screen import Screen
from streams.events.checked_log import checked_records
from streams.events.importers import LogFormat, LogRecord, read_log
from streams.observability.status_reader import read_samples
from streams.replay.evaluation import Evaluation, measure
from streams.replay.lockstep import LockstepRun
from streams.supervisor.deployment import Deployment

__all__ = ["LogDemo"]

_PERIODS = 6
_RANKERS = ("random", "as_shown", "item_ctr", "freshrank")
_LATENCY = "freshrank_event_to_ranking_seconds"


@dataclass(slots=True)
class LogDemo:
    """One demo on a ready deployment that was set up for lock-step."""

    deployment: Deployment
    screen: Screen
    clock: Clock
    file: Path
    log_format: LogFormat
    seed: int
    figures: Figures = field(default_factory=Figures)
    _judged: int = 0
    _num_lists: int = 1

    def run(self) -> Verdict:
        """Rank the whole log, let everything settle, and judge. Raises FreshrankError when a role stalls."""
        began_s = self.clock.monotonic_s()
        self._num_lists = self._count_lists()
        evaluation, ledger = Evaluation(self.seed), Ledger()
        with Monitor(self.deployment.settings, self._urls) as monitor:

            def tell(events: list[Mapping[str, Any]]) -> None:
                for event in events:
                    ledger.take(event)
                self._update(evaluation, ledger, monitor, began_s)
                self.screen.show(self.figures)

            run = LockstepRun(self.deployment, evaluation, self.clock, tell)
            asyncio.run(run.run(checked_records(read_log(self.file, self.log_format))))
            self._add_row(evaluation)
            self.screen.note("the log is through; waiting until everything is consumed …")
            asyncio.run(settle(self.deployment.settings, ledger.latest_ms, self.clock))
            monitor.look()
            self._update(evaluation, ledger, monitor, began_s)
            return self._judge(evaluation, ledger)

    def _urls(self) -> dict[str, str]:
        return self.deployment.supervisor.role_urls if self.deployment.supervisor is not None else {}

    def _count_lists(self) -> int:
        """About how many lists there are; only for showing how far the demo is."""
        records = read_log(self.file, self.log_format)
        values = (r.value for r in records if isinstance(r, LogRecord) and isinstance(r.value, dict))
        types = Counter(value.get("type") for value in values)
        return max(1, types["rank"], types["impression"])

    def _update(self, evaluation: Evaluation, ledger: Ledger, monitor: Monitor, began_s: float) -> None:
        figures, seen = self.figures, monitor.seen
        figures.elapsed_s = self.clock.monotonic_s() - began_s
        done_frac = min(1.0, len(evaluation.lists) / self._num_lists)
        figures.total_s = figures.elapsed_s / max(done_frac, 1e-3)
        figures.events_sent = ledger.num_events
        figures.events_per_s = figures.events_sent / max(figures.elapsed_s, 1e-9)
        figures.latencies = self._latencies()
        figures.unanswered = 0
        figures.model_version, figures.models_published = seen.model_version, seen.models_published
        figures.rounds, figures.rejects, figures.lag = seen.rounds, seen.rejects, seen.lag
        if len(figures.quality) + 1 < _PERIODS and done_frac * _PERIODS >= len(figures.quality) + 1:
            self._add_row(evaluation)

    def _add_row(self, evaluation: Evaluation) -> None:
        """Judge the lists since the last row; their clicks are in, but for the last few."""
        lists = evaluation.lists[self._judged :]
        if not lists:
            return
        self._judged = len(evaluation.lists)
        ndcg = measure(lists).ndcg_at_10
        quality = {ranker: ndcg[ranker] for ranker in _RANKERS}
        self.figures.quality.append(QualityRow(f"list {self._judged:,}", len(lists), quality))

    def _latencies(self) -> Latencies:
        samples = [s for url in self._urls().values() for s in read_samples(url)]
        p50_s, num = quantile_of(samples, _LATENCY, 0.5)
        return Latencies(num, 1000 * p50_s, 1000 * quantile_of(samples, _LATENCY, 0.99)[0])

    def _judge(self, evaluation: Evaluation, ledger: Ledger) -> Verdict:
        problems: list[str] = []
        last = self.figures.quality[-1].quality
        if not last["freshrank"] > max(last["as_shown"], last["random"]):
            problems.append("rankings did not improve on the order as shown")
        if missing := evaluation.unanswered():
            problems.append(f"{len(missing):,} lists were not answered")
        if self.figures.rejects:
            problems.append(f"{self.figures.rejects:,} valid events were rejected")
        return Verdict({}, tuple(problems)).joined(prove_nothing_lost(self.deployment, ledger))
