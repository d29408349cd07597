"""Which partition a key belongs to: murmur2, as the Java client, kafka-python and aiokafka do by default.

librdkafka hashes otherwise unless told `partitioner=murmur2_random`; a record it misplaces is forwarded by the worker.
"""

import struct
from functools import lru_cache

__all__ = ["murmur2", "partition_for"]

_SEED, _M, _BITS = 0x9747B28C, 0x5BD1E995, 0xFFFFFFFF


def partition_for(key: str | bytes, num_partitions: int) -> int:
    """The partition of a key (text: its UTF-8) among `num_partitions`."""
    return _hashed(key) % num_partitions


@lru_cache(maxsize=1 << 16)
def _hashed(key: str | bytes) -> int:
    return murmur2(key.encode() if isinstance(key, str) else key) & 0x7FFFFFFF


def murmur2(data: bytes) -> int:
    """The unsigned 32-bit hash of the Java client's Utils.murmur2, four bytes at a time."""
    h = _SEED ^ len(data)
    whole = len(data) & ~3
    for k in struct.unpack_from(f"<{whole >> 2}I", data):
        mixed = k * _M & _BITS
        h = (h * _M ^ (mixed ^ mixed >> 24) * _M) & _BITS
    rest = int.from_bytes(data[whole:], "little")
    if whole < len(data):
        h = (h ^ rest) * _M & _BITS
    h = (h ^ h >> 13) * _M & _BITS
    return h ^ h >> 15
