"""One `freshrank demo` from options to exit: sets a deployment up, runs the shop or the log on it, shows the result."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streams.clock import Clock
from streams.demo.figures import Figures, Verdict, as_json
from streams.demo.log_demo import LogDemo
from streams.demo.screen import Screen
from streams.demo.shop_demo import EVENTS_PER_S, NUM_ITEMS, NUM_USERS, ShopDemo, shop_settings
from streams.errors import InputFileError, StateError
from streams.events.importers import LogFormat
from streams.events.log_file import LogFile
from streams.replay.evaluate_job import fields_of_log, kept_or_temporary
from streams.replay.lockstep import lockstep_settings
from streams.replay.own_topics import own_topics
from streams.settings import Settings
from streams.supervisor.deployment import Plan, running

__all__ = ["DemoJob", "DemoResult", "run_demo"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoJob:
    """What the user asked for. With `file` the log is replayed instead of simulated shoppers."""

    file: Path | None = None
    minutes: float = 2.0
    seed: int = 0
    has_own_broker: bool = True
    data_dir: Path | None = None


@dataclass(frozen=True, slots=True)
class DemoResult:
    """How it ended, and where its folder is, if that was kept."""

    figures: Figures
    verdict: Verdict
    next_steps: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """One document with everything."""
        return as_json(self.figures, self.verdict)


def run_demo(job: DemoJob, base: Settings, clock: Clock) -> DemoResult:
    """Run the demo. Raises FreshrankError when it cannot start or a role stalls; its folder then stays."""
    title = f"freshrank demo: {_describe(job)}"
    with (
        kept_or_temporary(job.data_dir, "freshrank-demo-") as folder,
        own_topics(base, "demo", has_own_broker=job.has_own_broker) as fresh,
        Screen("freshrank demo") as screen,
    ):
        _require_fresh(folder)
        settings = _settings(job, fresh.model_copy(update={"data_dir": folder}))
        screen.note(f"{title}; everything is kept in {folder}")
        with running(Plan(settings, has_own_broker=job.has_own_broker), screen.note) as deployment:
            screen.note(f"Kafka at {deployment.settings.bootstrap_servers}, worker and trainer are ready")
            demo: ShopDemo | LogDemo
            if job.file is None:
                demo = ShopDemo(deployment, screen, clock, job.minutes, job.seed)
            else:
                demo = LogDemo(deployment, screen, clock, job.file, format_of(job.file), job.seed)
            verdict = demo.run()
    return DemoResult(demo.figures, verdict, _next_steps(job))


def format_of(file: Path) -> LogFormat:
    """The format of a log, by its first line. Raises InputFileError."""
    for _, raw in LogFile(file):
        try:
            first = json.loads(raw)
        except ValueError:
            first = None
        if isinstance(first, dict):
            return "metarank" if "event" in first and "topic" not in first else "freshrank"
        break
    raise InputFileError(f"{file}: its first line is no JSON object; needed a log, one JSON object a line")


def _settings(job: DemoJob, base: Settings) -> Settings:
    if job.file is None:
        return shop_settings(base, job.seed)
    fields = fields_of_log(job.file, format_of(job.file))
    return lockstep_settings(base, base.data_dir, fields, job.seed)


def _describe(job: DemoJob) -> str:
    if job.file is not None:
        return f"the log {job.file.name}"
    rate = f"{EVENTS_PER_S:.0f} events/s for {job.minutes:g} min"
    return f"a shop of {NUM_ITEMS} items and {NUM_USERS} shoppers, {rate}, seed {job.seed}"


def _require_fresh(folder: Path) -> None:
    """Totals of an earlier run would be added to, and its event ids come again."""
    if (folder / "up.lock").exists():
        raise StateError(f"{folder}: holds an earlier run; a demo needs an empty folder; choose another --data-dir")


def _next_steps(job: DemoJob) -> tuple[str, ...]:
    if job.data_dir is None:
        kept = ("freshrank demo --data-dir RUN", "keeps the run in the folder RUN")
    else:
        kept = (f"{job.data_dir}/feature_repo", "for feast.FeatureStore(repo_path=...)")
    steps = (
        kept,
        ("freshrank up", "Kafka, worker and trainer for your events"),
        ("freshrank evaluate LOG", "how a log of yours would have been ranked"),
        ("README.md, ARCHITECTURE.md", "how to use it, and what happens inside"),
    )
    return tuple(f"{command:<31}{what}" for command, what in steps)
