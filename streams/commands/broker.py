"""`freshrank broker`: a real Kafka on this machine, until stopped."""

import json
import signal
from typing import Annotated

import typer

from streams.commands.options import AsJson, DataDir, load_settings

__all__ = ["broker"]


def broker(
    data_dir: DataDir = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 takes a free one.")] = 9092,
    as_json: AsJson = False,
) -> None:
    """Run a single-node Apache Kafka for this machine, with its data in the data folder, until Ctrl-C."""
    from streams.errors import BrokerStartError
    from streams.kafka.local_broker import LocalBroker

    settings = load_settings(data_dir=data_dir)
    for stop in (signal.SIGINT, signal.SIGTERM):  # a shell's background job would otherwise ignore the first
        signal.signal(stop, _stop)
    try:
        with LocalBroker(settings.data_dir / "kafka", cache_dir=settings.cache_dir, port=port) as kafka:
            facts = {
                "bootstrap_servers": kafka.bootstrap_servers,
                "pid": kafka.pid,
                "data_dir": str(kafka.folder.path),
                "log": str(kafka.folder.broker_log),
            }
            if as_json:
                typer.echo(json.dumps(facts))
            else:
                typer.echo(f"Kafka is ready at {facts['bootstrap_servers']}; data and log in {facts['data_dir']}")
                typer.echo("Ctrl-C stops it; the data stays, and the next start goes on from there.")
            exit_code = kafka.wait()
            raise BrokerStartError(
                f"Kafka ended by itself with exit code {exit_code}; see {facts['log']}; start it again"
            )
    except KeyboardInterrupt:
        typer.echo("Kafka has stopped.", err=True)


def _stop(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt
