"""`up` at a terminal: signals, what is printed, and the logs of the roles when asked for.

The first Ctrl-C (or SIGTERM) stops everything in order; a second one no longer waits for the roles.
"""

import signal
from collections.abc import Callable
from threading import Event
from types import FrameType

import orjson
import typer

from streams.clock import Clock, SystemClock
from streams.supervisor.deployment import Deployment
from streams.supervisor.log_tail import LogTail

__all__ = ["describe", "run_in_foreground"]


def run_in_foreground(deployment: Deployment, *, is_verbose: bool, is_json: bool, clock: Clock | None = None) -> None:
    """Run until a signal. Prints where things are once every role is ready. Raises FreshrankError."""
    clock = clock or SystemClock()
    started_at_s = clock.monotonic_s()
    stop = Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        if stop.is_set() and deployment.supervisor is not None:
            deployment.supervisor.kill()
        elif not stop.is_set():
            stop.set()
            deployment.say("stopping …")

    def when_ready() -> None:
        deployment.say(describe(deployment, clock.monotonic_s() - started_at_s))
        if is_json:
            typer.echo(deployment.folder.endpoints_path.read_text())

    deployment.when_ready = when_ready
    if is_verbose:
        deployment.on_tick = _tail(deployment)
    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        deployment.run(stop)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    deployment.say("stopped")


def _tail(deployment: Deployment) -> Callable[[], None]:
    return LogTail(deployment.log_paths, deployment.say).read


def describe(deployment: Deployment, took_s: float) -> str:
    """Where the parts of a ready run are, for a person."""
    endpoints = orjson.loads(deployment.folder.endpoints_path.read_bytes())
    own = f"own broker, pid {endpoints['pids']['broker'][0]}" if "broker" in endpoints["pids"] else "given"
    repo = endpoints["feature_repo"]
    rows = [
        ("Kafka", f"{endpoints['bootstrap_servers']}  ({own})"),
        ("features", f"{repo}  (feast.FeatureStore(repo_path=...))"),
        *((name, url) for name, url in endpoints["metrics"].items()),
        ("logs", str(deployment.folder.path / "logs")),
        ("endpoints", str(deployment.folder.endpoints_path)),
    ]
    lines = [f"  {name:<10} {value}" for name, value in rows]
    return "\n".join([f"freshrank is up after {took_s:.1f} s; Ctrl-C stops everything", *lines])
