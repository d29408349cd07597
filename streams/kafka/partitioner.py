"""Which partition a key belongs to: murmur2, as the Java client, kafka-python and aiokafka do by default.

librdkafka hashes otherwise unless told `partitioner=murmur2_random`; a record it misplaces is forwarded by the worker.
"""

from functools import lru_cache

from aiokafka.partitioner import murmur2

__all__ = ["partition_for"]


@lru_cache(maxsize=1 << 16)
def partition_for(key: str, num_partitions: int) -> int:
    """The partition of a UTF-8 key among `num_partitions`."""
    return int((murmur2(key.encode()) & 0x7FFFFFFF) % num_partitions)
