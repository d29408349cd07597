"""Holds events back until every worker has read the catalogue records sent before them.

The catalogue is another topic, so Kafka keeps no order between the two; without the wait, features of the first events
would depend on luck. A worker tells how far it is on its `/status`.
"""

import asyncio
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp

from streams.clock import Clock
from streams.errors import StalledError
from streams.observability.web import RunFile, read_run_file

__all__ = ["has_applied", "wait_for_catalogue", "workers"]

POLL_S = 0.05
STALL_S = 120.0
_ASK = aiohttp.ClientTimeout(total=2)


def workers(data_dir: Path) -> list[RunFile]:
    """The workers that said in the data folder where they listen; they may have died since."""
    found = (read_run_file(path) for path in sorted((data_dir / "run").glob("*.json")))
    return [run for run in found if run is not None and run.role == "worker"]


def has_applied(status: Mapping[str, Any], offsets: Mapping[int, int]) -> bool:
    """Whether a worker's status says that it has read up to `offsets` (partition -> next offset) of the catalogue."""
    reached = status.get("catalogue_offsets", {})
    return all(reached.get(str(partition), 0) >= offset for partition, offset in offsets.items())


async def wait_for_catalogue(data_dir: Path, offsets: Mapping[int, int], clock: Clock) -> bool:
    """Wait until every worker has applied the catalogue up to `offsets`. False: there is no worker to wait for.

    Raises StalledError when one does not answer, or does not get there, for two minutes.
    """
    began_s = clock.monotonic_s()
    async with aiohttp.ClientSession(timeout=_ASK) as session:
        while known := [run for run in workers(data_dir) if _may_live(run)]:
            behind = [run for run in known if not has_applied(await _status(session, run), offsets)]
            if not behind:
                return True
            if clock.monotonic_s() - began_s > STALL_S:
                raise StalledError(
                    f"the worker at {behind[0].url} (pid {behind[0].pid}) has not read the catalogue for "
                    f"{STALL_S:g} s; events wait for the items before them: see the worker's log, then repeat"
                )
            await asyncio.sleep(POLL_S)
    return False


async def _status(session: aiohttp.ClientSession, run: RunFile) -> dict[str, Any]:
    try:
        async with session.get(f"{run.url}/status") as answer:
            found = await answer.json()
    except (aiohttp.ClientError, TimeoutError, json.JSONDecodeError):
        return {}
    return found if isinstance(found, dict) else {}


def _may_live(run: RunFile) -> bool:
    """A killed worker leaves its file behind. Worker and replay share the data folder, and so the machine."""
    try:
        os.kill(run.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
