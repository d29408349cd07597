"""Closes the socket of a connect that failed: kafka-python leaves it open until the garbage collector comes by.

A client that waits for its broker to come back would hold one for each try. It is changed in kafka-python itself, as
no client takes a class of sockets; tests/kafka/test_closed_sockets.py tells when this can go.
"""

from typing import Any

from kafka.net.inet import KafkaNetSocket

__all__ = ["close_failed_connects"]

_leaving = KafkaNetSocket.sock_connect


async def _closing(self: Any, net: Any, sock: Any, sockaddr: Any, timeout_at: float | None = None) -> Any:
    try:
        return await _leaving(self, net, sock, sockaddr, timeout_at=timeout_at)
    except BaseException:
        sock.close()
        raise


def close_failed_connects() -> None:
    """For all clients of the process, from now on."""
    KafkaNetSocket.sock_connect = _closing
