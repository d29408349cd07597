"""Workers and a trainer as real processes that are started again whenever they end, and what can be done to them."""

import os
import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from streams.clock import SystemClock
from streams.observability.status_reader import is_healthy, read_status
from streams.observability.web import read_run_file, run_file_path
from streams.settings import Settings
from tests.recovery.role_nursery import RoleNursery

RESTART_S = 0.1
# A role that could not start because something it needs is away must not turn the machine into a heater.
FAILED_RESTART_S = 1.0
LEAVE_S = 20.0


@dataclass(slots=True)
class Member:
    """One place in the fleet. `pid` 0: it is down and starts at `start_at_s`.

    `leave_by_s`: it is to stop for good, by then at the latest.
    """

    name: str
    role: str
    settings: Settings
    pid: int = 0
    start_at_s: float = 0.0
    killed_pid: int = 0
    leave_by_s: float | None = None
    ends: Counter[int] = field(default_factory=Counter)

    @property
    def is_leaving(self) -> bool:
        """Whether it does not start again."""
        return self.leave_by_s is not None

    @property
    def log(self) -> Path:
        """What its processes say."""
        return self.settings.data_dir / "logs" / f"{self.name}.log"

    @property
    def url(self) -> str:
        """Where its process answers; empty before."""
        name = (self.settings.worker.instance_id or "worker") if self.role == "worker" else "trainer"
        found = read_run_file(run_file_path(self.settings.data_dir, name))
        return found.url if found is not None and found.pid == self.pid else ""

    @property
    def is_ready(self) -> bool:
        """Whether its process says that it is."""
        return bool(self.url) and is_healthy(self.url)


class Fleet:
    """Members by name. `settings_of(name)` gives those of one. Call `tick` often."""

    def __init__(self, nursery: RoleNursery, settings_of: Callable[[str], Settings]) -> None:
        self._nursery, self._settings_of = nursery, settings_of
        self._clock = SystemClock()
        self.members: dict[str, Member] = {}
        self.num_kills: Counter[str] = Counter()

    def add(self, name: str) -> Member:
        """Start a member of a name that is free."""
        role = "trainer" if name == "trainer" else "worker"
        member = self.members[name] = Member(name, role, self._settings_of(name))
        self._start(member)
        return member

    def of_role(self, role: str) -> list[Member]:
        """Members of a role that are to stay."""
        return [member for member in self.members.values() if member.role == role and not member.is_leaving]

    def tick(self) -> None:
        """Notice ends, and start again what is to run."""
        now_s = self._clock.monotonic_s()
        for member in list(self.members.values()):
            if member.pid and (status := self._nursery.ended(member.pid)) is not None:
                member.ends[status] += 1
                member.pid = 0
                member.start_at_s = now_s + (FAILED_RESTART_S if status > 0 else RESTART_S)
            if member.pid and member.leave_by_s is not None and now_s > member.leave_by_s:
                os.kill(member.pid, signal.SIGKILL)
            if not member.pid and member.is_leaving:
                del self.members[member.name]
            elif not member.pid and now_s >= member.start_at_s:
                self._start(member)

    def kill(self, member: Member) -> bool:
        """kill -9; false when it was down anyway."""
        is_up = bool(member.pid) and member.pid != member.killed_pid
        if is_up:
            member.killed_pid = member.pid
            os.kill(member.pid, signal.SIGKILL)
            self.num_kills[member.role] += 1
        return is_up

    def pause(self, member: Member) -> int:
        """SIGSTOP; the process id to go on with."""
        if member.pid:
            os.kill(member.pid, signal.SIGSTOP)
        return member.pid

    def resume(self, pid: int) -> None:
        """SIGCONT, if that process is still a member."""
        if any(member.pid == pid for member in self.members.values()):
            os.kill(pid, signal.SIGCONT)

    def leave(self, member: Member) -> None:
        """Ask a member to stop for good."""
        member.leave_by_s = self._clock.monotonic_s() + LEAVE_S
        if member.pid:
            os.kill(member.pid, signal.SIGCONT)
            os.kill(member.pid, signal.SIGTERM)

    def shares(self) -> dict[str, list[int]]:
        """The partitions of each worker, as it says."""
        return {one.name: (read_status(one.url) or {}).get("partitions", []) for one in self.of_role("worker")}

    def kill_all(self) -> None:
        """End everything, for good."""
        for member in self.members.values():
            if member.pid:
                os.kill(member.pid, signal.SIGKILL)
        self.members.clear()

    @property
    def is_ready(self) -> bool:
        """Whether every member is there and says that it is ready."""
        return all(member.pid and not member.is_leaving and member.is_ready for member in self.members.values())

    def _start(self, member: Member) -> None:
        member.pid = self._nursery.start(member.role, member.settings, member.log)
