"""The processes that the ingest benchmark measures. Started by it, with settings in the environment.

`worker FILE`: the product's worker, with its profile by stage. `validate`: the same worker, which only
reads and validates `events`. `faust`: a stock Faust agent on `events` that does nothing, not even decode JSON.
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import faust
import uvloop

from benchmarks.stage_profile import StageProfile
from streams import app as product
from streams.events.decode import decode_events
from streams.settings import Settings
from streams.topics import topic_specs
from streams.worker.outputs import SourceRecord

__all__ = ["FIRST_EVENT", "main"]

FIRST_EVENT = "first-event"
"""The file in its data folder that a role makes when it gets its first event."""


class RoleSettings(Settings):
    """Each role reads the log in a group of its own."""

    @property
    def worker_group(self) -> str:
        """Consumer group of this process."""
        return f"{self.topic_prefix}{sys.argv[1]}"


def run_worker(settings: Settings, profile_file: Path) -> None:
    """The product, looked at from its first chunk of events on."""
    app, profile = product.create_worker(settings), StageProfile()
    ingest = app.runtime.ingest

    async def first(*args: Any) -> None:
        app.runtime.ingest = ingest
        (settings.data_dir / FIRST_EVENT).touch()
        profile.start()
        await ingest(*args)

    app.runtime.ingest = first
    try:
        _run(app)
    finally:
        profile.write(profile_file)


def run_validate(settings: Settings) -> None:
    """The product's worker with nothing behind validation."""
    app, first_event = product.create_worker(settings), settings.data_dir / FIRST_EVENT

    async def validate(_: int, records: Sequence[SourceRecord], ack: Callable[[], Any]) -> None:
        first_event.touch()
        decode_events([record.value for record in records])
        ack()

    app.runtime.ingest = validate
    _run(app)


def run_faust(settings: Settings) -> None:
    """Faust as its users start with it, on the same loop."""
    app = faust.App(
        settings.worker_group,
        broker=f"kafka://{settings.bootstrap_servers}",
        consumer_auto_offset_reset="earliest",
        topic_disable_leader=True,
        topic_allow_declare=False,
        datadir=settings.data_dir,
        web_enabled=False,
        store="memory://",
        autodiscover=False,
    )

    async def nothing(stream: faust.StreamT[bytes]) -> None:
        async for _ in stream:
            (settings.data_dir / FIRST_EVENT).touch()
            break
        async for _ in stream:
            pass

    app.agent(app.topic(topic_specs(settings)["events"].name, value_serializer="raw"))(nothing)
    _run(app)


def _run(app: faust.App) -> None:
    uvloop.install()
    faust.Worker(app, loglevel="WARNING").execute_from_commandline()


def main() -> None:
    """Run the role named on the command line until a signal ends it."""
    role, *profile_files = sys.argv[1:]
    if role == "worker":
        run_worker(RoleSettings(), *map(Path, profile_files))
    else:
        {"validate": run_validate, "faust": run_faust}[role](RoleSettings())


if __name__ == "__main__":
    main()
