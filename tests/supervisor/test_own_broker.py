"""Keeping an own broker alive, with a broker of three lines that starts and dies as told."""

from typing import cast

from streams.clock import ManualClock
from streams.errors import BrokerStartError
from streams.kafka.local_broker import LocalBroker
from streams.supervisor.own_broker import OwnBroker


class MoodyBroker:
    """Starts unless it refuses; counts the attempts."""

    bootstrap_servers = "127.0.0.1:9"

    def __init__(self) -> None:
        self.is_running, self.refuses, self.attempts = True, False, 0

    @property
    def pid(self) -> int | None:
        return 77 if self.is_running else None

    def start(self) -> None:
        self.attempts += 1
        if self.refuses:
            raise BrokerStartError("port 9 is taken")
        self.is_running = True

    def stop(self) -> None:
        self.is_running = False


def test_a_dead_broker_is_started_again_after_a_growing_wait() -> None:
    moody, clock = MoodyBroker(), ManualClock()
    own = OwnBroker(cast("LocalBroker", moody), clock)
    moody.is_running, moody.refuses = False, True
    said = []
    for _ in range(8):
        said.append(own.keep_alive())
        clock.advance_ms(100)

    assert [line for line in said if line] == [
        "Kafka ended by itself; next start in 0.2 s", "port 9 is taken",
        "Kafka ended by itself; next start in 0.4 s", "port 9 is taken",
    ]  # fmt: skip
    moody.refuses = False
    clock.advance_ms(5000)
    own.keep_alive()
    clock.advance_ms(5000)
    assert own.keep_alive() == "Kafka is ready again (pid 77)"
    assert own.keep_alive() is None
    assert moody.attempts == 3


def test_a_living_broker_is_left_alone() -> None:
    moody = MoodyBroker()
    own = OwnBroker(cast("LocalBroker", moody), ManualClock())

    assert (own.keep_alive(), own.pid, own.bootstrap_servers, moody.attempts) == (None, 77, "127.0.0.1:9", 0)
    own.stop()
    assert not moody.is_running
