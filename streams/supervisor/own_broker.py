"""The run's own Kafka as the supervisor sees it: started again when it dies, on the same ports with the same data.

A start blocks for some seconds; the roles wait for their broker meanwhile anyway.
"""

from streams.clock import Clock
from streams.errors import BrokerStartError
from streams.kafka.local_broker import LocalBroker
from streams.supervisor.role_process import Backoff

__all__ = ["OwnBroker"]


class OwnBroker:
    """Keeps a started LocalBroker alive."""

    def __init__(self, broker: LocalBroker, clock: Clock, backoff: Backoff | None = None) -> None:
        self._broker, self._clock = broker, clock
        self._backoff = backoff or Backoff()
        self._started_at_s = clock.monotonic_s()
        self._restart_at_s: float | None = None

    @property
    def bootstrap_servers(self) -> str:
        """Where clients connect; the same after a restart."""
        return self._broker.bootstrap_servers

    @property
    def pid(self) -> int | None:
        """Of its process; None while it is down."""
        return self._broker.pid

    def keep_alive(self) -> str | None:
        """Notice an end, or start again when the wait is over; says what happened."""
        if self._broker.is_running:
            return None
        now_s = self._clock.monotonic_s()
        if self._restart_at_s is None:
            delay_s = self._backoff.after_run(now_s - self._started_at_s)
            self._restart_at_s = now_s + delay_s
            return f"Kafka ended by itself; next start in {delay_s:.1f} s"
        if now_s < self._restart_at_s:
            return None
        self._restart_at_s, self._started_at_s = None, now_s
        try:
            self._broker.start()
        except BrokerStartError as error:
            return str(error)
        return f"Kafka is ready again (pid {self._broker.pid})"

    def stop(self) -> None:
        """Stop it in order."""
        self._broker.stop()
