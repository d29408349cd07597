"""`freshrank worker`: one worker process. Faust's own command works too: `faust -A streams.app worker -l info`."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["worker"]


def worker(
    bootstrap_servers: Annotated[
        str | None, typer.Option(help="Kafka to connect to.", envvar="FRESHRANK_BOOTSTRAP_SERVERS")
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder of state, features and models.", envvar="FRESHRANK_DATA_DIR")
    ] = None,
) -> None:
    """Take events in, keep features and labels, publish rankings, until stopped."""
    from streams.app import run_worker
    from streams.settings import Settings

    given = {"bootstrap_servers": bootstrap_servers, "data_dir": data_dir}
    run_worker(Settings().model_copy(update={name: value for name, value in given.items() if value is not None}))
