"""Builds the Faust apps of the worker and the trainer from settings, and runs them. No logic.

`faust -A streams.app worker` finds the worker's app here, made from the environment when it is asked for.
"""

import gc
import logging
import os
from collections.abc import Callable
from threading import Timer
from typing import Any

import faust
import mode
import structlog
import uvloop

from streams.clock import SystemClock
from streams.kafka.faust_credentials import faust_credentials
from streams.kafka.partition_lag import PartitionLag
from streams.observability.logs import configure_logs, logging_config
from streams.settings import Settings

__all__ = ["create_trainer", "create_worker", "run_trainer", "run_worker"]

# Chunks that wait in an agent's queue.
QUEUE_CHUNKS = 16
# A worker that hangs in one chunk holds up the whole group for at most this.
REBALANCE_TIMEOUT_S = 30.0
# A member learns of a rebalance by the answer to its heartbeat: partitions stand still until the last one knows.
HEARTBEATS_PER_SESSION = 40
# A member that leads the group just after a broker came back may know no partitions yet, and assign none. It sees so,
# and the group assigns again, when it asks for the topics the next time: by default after five minutes.
METADATA_MAX_AGE_S = 3.0
# A role that failed stops in order if it can: Faust may wait a minute for a part of itself that failed, and holds the
# partitions meanwhile. Nothing is lost by leaving without: it is what kill -9 does.
FAILED_STOP_S = 5.0

log = structlog.get_logger(__name__)


class RoleApp(faust.App):
    """A Faust app with a runtime that starts before its consumer and stops after the last chunk is acknowledged."""

    runtime: Any = None
    has_started = False
    chunk_records: int
    # Told that chunks are waited for: partitions move, or the app stops, once all are acknowledged.
    hurry: Callable[[], None] = staticmethod(lambda: None)

    async def on_first_start(self) -> None:
        """Start the runtime before anything is consumed."""
        self.runtime.read_lags = self._lags
        await self.runtime.start(self.crash)
        self.has_started = True
        await super().on_first_start()

    async def _consumer_wait_empty(self, consumer: Any, logger: Any) -> None:
        """Wait until every chunk that was taken is acknowledged."""
        self.hurry()
        await super()._consumer_wait_empty(consumer, logger)

    def _crash(self, reason: BaseException) -> None:
        """Some part failed; mode tells every service above it so."""
        if not self.crashed:
            leaving = Timer(FAILED_STOP_S, _leave)
            leaving.daemon = True
            leaving.start()
        super()._crash(reason)

    def _lags(self) -> list[PartitionLag]:
        lags: list[PartitionLag] = self.consumer.lags()
        return lags

    async def on_stop(self) -> None:
        """Let the agents finish, then stop the runtime; one that could not start has nothing to give back."""
        await super().on_stop()
        if self.has_started:
            await self.runtime.stop(self.consumer.stop)


def _leave() -> None:
    log.error("stopped_too_slowly", seconds=FAILED_STOP_S)
    os._exit(1)


def _app(settings: Settings, group: str, instance_id: str) -> RoleApp:
    folder = settings.data_dir / "faust" / group
    folder.mkdir(parents=True, exist_ok=True)
    # One Faust default after the other is wrong for us; the reasons stand in ARCHITECTURE.md.
    app = RoleApp(
        group,
        broker=f"kafka://{settings.bootstrap_servers}",
        broker_consumer=f"kafkachunk://{settings.bootstrap_servers}",
        broker_credentials=faust_credentials(settings),
        broker_session_timeout=settings.worker.session_timeout_s,
        broker_heartbeat_interval=settings.worker.session_timeout_s / HEARTBEATS_PER_SESSION,
        broker_rebalance_timeout=REBALANCE_TIMEOUT_S,
        broker_commit_interval=settings.worker.commit_interval_s,
        broker_commit_every=None,
        consumer_group_instance_id=instance_id or None,
        consumer_auto_offset_reset="earliest",
        consumer_metadata_max_age_ms=int(METADATA_MAX_AGE_S * 1000),
        stream_buffer_maxsize=QUEUE_CHUNKS,
        stream_wait_empty=True,
        agent_supervisor=mode.CrashingSupervisor,
        table_standby_replicas=0,
        topic_disable_leader=True,
        topic_allow_declare=False,
        datadir=folder,
        web_enabled=False,
        web_bind="127.0.0.1",
        store="memory://",
        autodiscover=False,
    )
    app.chunk_records = settings.worker.chunk_records
    return app


def create_worker(settings: Settings) -> faust.App:
    """The app of one worker process."""
    from streams.worker.agents import register
    from streams.worker.runtime import WorkerRuntime

    app = _app(settings, settings.worker_group, settings.worker.instance_id)
    app.runtime = WorkerRuntime(settings, SystemClock())
    app.hurry = app.runtime.hurry
    register(app, app.runtime)
    return app


def create_trainer(settings: Settings) -> faust.App:
    """The app of the trainer process."""
    from streams.training.agents import register
    from streams.training.runtime import TrainerRuntime

    app = _app(settings, settings.trainer_group, "")
    app.runtime = TrainerRuntime(settings, SystemClock())
    register(app, app.runtime)
    return app


def run_worker(settings: Settings) -> None:
    """Run a worker until a signal ends it; the process exits with 0 after a signal, with 1 after a failure."""
    _run(create_worker(settings), "worker")


def run_trainer(settings: Settings) -> None:
    """Run the trainer until a signal ends it; exit codes as `run_worker`."""
    _run(create_trainer(settings), "trainer")


def _run(app: faust.App, role: str) -> None:
    configure_logs(role)
    app.conf.logging_config = logging_config(role)
    uvloop.install()
    # What was imported stays: no collection, and not the one at the process's end, needs to look at it again.
    gc.freeze()
    faust.Worker(app, loglevel=logging.INFO).execute_from_commandline()


def __getattr__(name: str) -> Any:
    if name == "app":
        return create_worker(Settings())
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
