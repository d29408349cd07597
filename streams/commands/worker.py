"""`freshrank worker`: one worker process. Faust's own command works too: `faust -A streams.app worker -l info`."""

from streams.commands.options import BootstrapServers, DataDir, load_settings

__all__ = ["worker"]


def worker(*, bootstrap_servers: BootstrapServers = None, data_dir: DataDir = None) -> None:
    """Take events in, keep features and labels, publish rankings, until stopped."""
    from streams.app import run_worker

    run_worker(load_settings(bootstrap_servers=bootstrap_servers, data_dir=data_dir))
