"""What the Faust apps do when a part of them fails."""

import subprocess
import sys
from pathlib import Path

from streams.app import FAILED_STOP_S

HANG_S = 120
FAILS_AND_HANGS = f"""
import asyncio, sys, time
from mode import Service
from streams.app import create_trainer
from streams.settings import Settings

class Part(Service):
    pass

app = create_trainer(Settings())
asyncio.run(Part(beacon=app.beacon).crash(RuntimeError("a part failed")))
time.sleep({HANG_S})
"""


def test_a_role_that_failed_and_cannot_stop_leaves_its_partitions_to_others(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FAILS_AND_HANGS],
        env={"FRESHRANK_DATA_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=HANG_S / 2,
        check=False,
    )
    assert done.returncode == 1
    assert f"seconds={FAILED_STOP_S}" in done.stdout + done.stderr
