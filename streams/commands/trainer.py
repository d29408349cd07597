"""`freshrank trainer`: the trainer process."""

from streams.commands.options import BootstrapServers, DataDir, load_settings

__all__ = ["trainer"]


def trainer(*, bootstrap_servers: BootstrapServers = None, data_dir: DataDir = None) -> None:
    """Learn from what was shown and answered, publish models that are better, until stopped."""
    from streams.app import run_trainer

    run_trainer(load_settings(bootstrap_servers=bootstrap_servers, data_dir=data_dir))
