"""A whole freshrank on this machine: broker (unless given), topics, feature repo, workers, trainer; under one folder.

`freshrank up` runs it in the foreground; the demo and the evaluation run it beside themselves (`running`).
"""

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

from streams.clock import Clock, SystemClock
from streams.errors import BrokerUnreachableError, StateError
from streams.kafka.admin import create_topics
from streams.kafka.local_broker import LocalBroker
from streams.settings import Settings
from streams.supervisor.own_broker import OwnBroker
from streams.supervisor.role_process import RoleProcess
from streams.supervisor.run_folder import RunFolder
from streams.supervisor.supervisor import Supervisor

__all__ = ["Deployment", "Plan", "running"]

Say = Callable[[str], None]

_MODULE = "streams.cli"
_RETRY_S = 1.0
_READY_WITHIN_S = 180.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run. `settings.bootstrap_servers` counts only without an own broker; `port` only with one, 0: any."""

    settings: Settings
    has_own_broker: bool = True
    port: int = 0
    num_workers: int = 1


@dataclass(slots=True)
class Deployment:
    """Prepared and run by one thread. `settings`: with the broker's real address, once prepared."""

    plan: Plan
    say: Say
    clock: Clock = field(default_factory=SystemClock)
    when_ready: Callable[[], None] | None = None
    on_tick: Callable[[], None] | None = None
    settings: Settings = field(init=False)
    folder: RunFolder = field(init=False)
    supervisor: Supervisor | None = None

    def __post_init__(self) -> None:
        self.folder = RunFolder(self.plan.settings.data_dir)
        self.settings = self.plan.settings.model_copy(update={"data_dir": self.folder.path})

    @property
    def log_paths(self) -> dict[str, Path]:
        """Where each role writes its log."""
        return {name: self.folder.log_path(name) for name in (*self._worker_names(), "trainer")}

    def run(self, stop: Event) -> None:
        """Start everything, watch until `stop` is set, stop everything. Raises FreshrankError when it cannot start."""
        self.folder.lock()
        broker: OwnBroker | None = None
        try:
            broker = self._start_broker()
            if not self._create_topics(stop):
                return
            self.supervisor = Supervisor(
                folder=self.folder,
                bootstrap_servers=self.settings.bootstrap_servers,
                feature_repo=self.folder.feature_repo_path,
                roles=self._roles(),
                broker=broker,
                say=self.say,
            )
            self.supervisor.run(stop, when_ready=self.when_ready, on_tick=self.on_tick)
        finally:
            if broker is not None:
                broker.stop()
            self.folder.unlock()

    def _start_broker(self) -> OwnBroker | None:
        if not self.plan.has_own_broker:
            return None
        self.say("starting Kafka …")
        local = LocalBroker(self.folder.broker_path, cache_dir=self.settings.cache_dir, port=self.plan.port)
        local.start()
        self.settings = self.settings.model_copy(update={"bootstrap_servers": local.bootstrap_servers})
        return OwnBroker(local, self.clock)

    def _create_topics(self, stop: Event) -> bool:
        """Wait for a given broker that is away, saying so once; False when stopped meanwhile."""
        has_said = False
        while not stop.is_set():
            try:
                create_topics(self.settings)
            except BrokerUnreachableError as error:
                if not has_said:
                    self.say(f"{error}; trying again until it answers")
                has_said = True
                stop.wait(_RETRY_S)
            else:
                return True
        return False

    def _worker_names(self) -> list[str]:
        return [f"worker-{number}" for number in range(self.plan.num_workers)]

    def _roles(self) -> Sequence[RoleProcess]:
        workers = [self._role(name, "worker", self._of_worker(name)) for name in self._worker_names()]
        return [*workers, self._role("trainer", "trainer", self.settings)]

    def _of_worker(self, name: str) -> Settings:
        """A static member id: a worker that restarts in place gets its partitions back without a rebalance."""
        worker = self.settings.worker.model_copy(update={"instance_id": name})
        return self.settings.model_copy(update={"worker": worker})

    def _role(self, name: str, role: str, settings: Settings) -> RoleProcess:
        return RoleProcess(
            name=name,
            role=role,
            argv=[sys.executable, "-m", _MODULE, role],
            env=settings.child_env(),
            log_path=self.folder.log_path(name),
            clock=self.clock,
        )


@contextmanager
def running(plan: Plan, say: Say) -> Iterator[Deployment]:
    """Run a deployment in a thread while the block lasts; entered when every role is ready.

    Raises whatever kept it from starting, or StateError when a role is not ready in time.
    """
    stop, ready, failures = Event(), Event(), list[BaseException]()
    deployment = Deployment(plan, say, when_ready=ready.set)

    def work() -> None:
        try:
            deployment.run(stop)
        except BaseException as error:  # noqa: BLE001 -- raised again in the thread that waits
            failures.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=work, name="freshrank-supervisor")
    thread.start()
    try:
        if not ready.wait(_READY_WITHIN_S):
            raise StateError(
                f"{deployment.folder.path}: a role was not ready within {_READY_WITHIN_S:.0f} s; all must be; "
                f"its log in {deployment.folder.path / 'logs'} says why"
            )
        if failures:
            raise failures[0]
        yield deployment
    finally:
        stop.set()
        thread.join()
