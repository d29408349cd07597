"""One deployment to break: a broker, a fleet, and what can be done to them. Everything done is undone by `mend`."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from streams.clock import SystemClock
from streams.errors import BrokerStartError, StateError
from streams.kafka.local_broker import LocalBroker
from streams.settings import FeastSettings, LabelSettings, Settings, TrainingSettings, WorkerSettings
from tests.chaos.fleet import Fleet, Member
from tests.chaos.model_disk import ModelDisk
from tests.chaos.plan import Step
from tests.chaos.redis_line import RedisLine
from tests.recovery.role_nursery import RoleNursery
from tests.worker.conftest import WINDOWS_S

NUM_PARTITIONS = 4
SESSION_S = 3.0
WORKERS_MAX = 3
TICK_S = 0.1
READY_WITHIN_S = 120.0
# Most kills are to meet a role at work; the others may meet one that starts.
AT_WORK_S = 1.0
AT_WORK_WITHIN_S = 20.0


@dataclass(frozen=True, slots=True)
class Layout:
    """`is_spread`: each worker on a host of its own (own folder, Redis, shared models), as docker-compose has it.

    Otherwise all share one folder under static member ids, as under `freshrank up`. `tasks`: with few of them a model
    is good enough to be published soon.
    """

    is_spread: bool
    num_workers: int
    tasks: tuple[str, ...] = ("defaults",)


def site_settings(layout: Layout, bootstrap_servers: str, folder: Path, prefix: str = "freshrank.") -> Settings:
    """Short windows, frequent flushes, commits and rounds; no window closes because nothing happens."""
    worker = WorkerSettings(
        chunk_records=200,
        flush_interval_s=0.05,
        commit_interval_s=0.2,
        session_timeout_s=SESSION_S,
        idle_watermark_s=3600.0,
    )
    return Settings(
        bootstrap_servers=bootstrap_servers,
        data_dir=folder,
        topic_prefix=prefix,
        num_partitions=NUM_PARTITIONS,
        worker=worker,
        labels=LabelSettings.model_validate({"tasks": layout.tasks, "window_overrides_s": WINDOWS_S}),
        training=TrainingSettings(device="cpu", round_slates=96, round_interval_s=None, replay_slates=8),
    )


class Site:
    """Faults by the names that plan.py gives them."""

    def __init__(self, nursery: RoleNursery, folder: Path, layout: Layout, cache_dir: Path) -> None:
        self.folder, self.layout = folder, layout
        self.broker = LocalBroker(folder / "kafka", cache_dir=cache_dir)
        self.redis = RedisLine(folder / "redis") if layout.is_spread else None
        self.disk = ModelDisk(folder / "models")
        self.fleet = Fleet(nursery, self._settings_of)
        self.done: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()
        self._holding: set[asyncio.Task[None]] = set()
        self._broker_moves = asyncio.Lock()

    @property
    def settings(self) -> Settings:
        """Of the deployment; its folder is the trainer's."""
        return self._with_store(site_settings(self.layout, self.broker.bootstrap_servers, self.folder / "host"))

    def repo(self) -> Path:
        """A feature repo to read the rows from."""
        return self._settings_of("worker-0").data_dir / "feature_repo"

    def _with_store(self, settings: Settings) -> Settings:
        if self.redis is None:
            return settings
        feast = FeastSettings(online_store="redis", redis_connection_string=self.redis.address)
        return settings.model_copy(update={"feast": feast})

    def _settings_of(self, name: str) -> Settings:
        settings = self.settings
        if name == "trainer":
            pass
        elif self.layout.is_spread:
            settings = settings.model_copy(update={"data_dir": self.folder / f"host-{name}"})
        else:
            worker = settings.worker.model_copy(update={"instance_id": name})
            settings = settings.model_copy(update={"worker": worker})
        self._share_models(settings.data_dir)
        return settings

    def _share_models(self, data_dir: Path) -> None:
        data_dir.mkdir(parents=True, exist_ok=True)
        if not (data_dir / "models").exists():
            (data_dir / "models").symlink_to(self.disk.folder)

    async def keep_alive(self) -> None:
        """Start again what ended, for ever."""
        while True:
            self.fleet.tick()
            await asyncio.sleep(TICK_S)

    async def do(self, step: Step) -> None:
        """Carry one fault out; those that last end by themselves."""
        if await self._did(step):
            self.done[step.fault] += 1
        else:
            self.skipped[step.fault] += 1

    async def _did(self, step: Step) -> bool:
        role = "trainer" if step.fault.endswith("trainer") else "worker"
        members = self.fleet.of_role(role)
        target = members[int(step.pick * len(members))] if members else None
        match step.fault:
            case "kill_worker" | "kill_trainer":
                is_done = target is not None and await self._kill(target, step.hold_s)
            case "pause_worker" | "pause_trainer":
                is_done = target is not None and self._pause(target, step.hold_s)
            case "add_worker":
                is_done = self._add_worker()
            case "remove_worker":
                is_done = target is not None and self._remove(target, len(members))
            case "fill_models":
                is_done = self.disk.is_small and self._hold(self.disk.fill, self.disk.free, step.hold_s)
            case "cut_redis":
                is_done = self.redis is not None and self._hold(self.redis.cut, self.redis.mend, step.hold_s)
            case "kill_redis":
                is_done = self.redis is not None and await asyncio.to_thread(self.redis.kill_and_start)
            case "restart_broker" | "kill_broker":
                is_done = await self._break_broker(is_kill=step.fault == "kill_broker")
        return is_done

    async def _kill(self, target: Member, hold_s: float) -> bool:
        """A member that is down is waited for: a planned kill is a kill. With a long `hold_s`, until it works."""
        if hold_s > AT_WORK_S:
            for _ in range(int(AT_WORK_WITHIN_S / TICK_S)):
                if await asyncio.to_thread(lambda: target.is_ready):
                    break
                await asyncio.sleep(TICK_S)
            await asyncio.sleep(hold_s / 2)
        while not self.fleet.kill(target):
            await asyncio.sleep(TICK_S)
        return True

    def _hold(self, begin: Callable[[], None], end: Callable[[], None], hold_s: float) -> bool:
        begin()
        self._later(hold_s, end)
        return True

    def _later(self, hold_s: float, end: Callable[[], None]) -> None:
        async def wait() -> None:
            await asyncio.sleep(hold_s)
            end()

        task = asyncio.create_task(wait())
        self._holding.add(task)
        task.add_done_callback(self._holding.discard)

    async def mend(self) -> None:
        """Wait until what lasts has ended, and everybody is there. Raises StateError when somebody stays away."""
        await asyncio.gather(*self._holding)
        clock = SystemClock()
        end_s = clock.monotonic_s() + READY_WITHIN_S
        while not await asyncio.to_thread(lambda: self.fleet.is_ready):
            if clock.monotonic_s() > end_s:
                missing = [name for name, member in self.fleet.members.items() if not member.is_ready]
                raise StateError(f"{missing} not ready within {READY_WITHIN_S:.0f} s of peace; see their logs")
            await asyncio.sleep(TICK_S)

    def _pause(self, target: Member, hold_s: float) -> bool:
        pid = self.fleet.pause(target)
        self._later(hold_s, lambda: self.fleet.resume(pid))
        return bool(pid)

    def _add_worker(self) -> bool:
        names = [f"worker-{number}" for number in range(WORKERS_MAX)]
        free = [name for name in names if name not in self.fleet.members]
        if free:
            self.fleet.add(free[0])
        return bool(free)

    def _remove(self, target: Member, num_workers: int) -> bool:
        if num_workers > 1:
            self.fleet.leave(target)
        return num_workers > 1

    async def _break_broker(self, *, is_kill: bool) -> bool:
        async with self._broker_moves:
            await asyncio.to_thread(self.broker.kill if is_kill else self.broker.stop)
            while not self.broker.is_running:
                # On a busy machine a start may take longer than it is given.
                with contextlib.suppress(BrokerStartError):
                    await asyncio.to_thread(self.broker.start)
        return True
