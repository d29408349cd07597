"""Options that several commands share, and settings with those options applied. Imports nothing heavy."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from streams.settings import Settings

__all__ = ["AsJson", "BootstrapServers", "DataDir", "load_settings"]

BootstrapServers = Annotated[
    str | None, typer.Option(help="Kafka to connect to, host:port[,host:port].", envvar="FRESHRANK_BOOTSTRAP_SERVERS")
]
DataDir = Annotated[
    Path | None, typer.Option(help="Folder of everything that a run keeps.", envvar="FRESHRANK_DATA_DIR")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def load_settings(*, bootstrap_servers: str | None = None, data_dir: Path | None = None) -> "Settings":
    """Settings from the environment, with the options that were given in their place."""
    from streams.settings import Settings

    given = {"bootstrap_servers": bootstrap_servers, "data_dir": data_dir}
    return Settings().model_copy(update={name: value for name, value in given.items() if value is not None})
