"""Supervises one stand-in role until killed. Run as a script by the tests. usage: orphan_maker.py DATA_DIR SCRIPT"""

import sys
from pathlib import Path
from threading import Event

from streams.clock import SystemClock
from streams.supervisor.role_process import RoleProcess
from streams.supervisor.run_folder import RunFolder
from streams.supervisor.supervisor import Supervisor


def main() -> None:
    folder = RunFolder(Path(sys.argv[1]))
    folder.lock()
    role = RoleProcess(
        name="worker-0",
        role="worker",
        argv=[sys.executable, sys.argv[2], str(folder.path), "worker-0", "worker"],
        env={},
        log_path=folder.log_path("worker-0"),
        clock=SystemClock(),
    )
    supervisor = Supervisor(
        folder=folder, bootstrap_servers="127.0.0.1:1", feature_repo=folder.path, roles=[role], broker=None, say=print
    )
    supervisor.run(Event())


main()
