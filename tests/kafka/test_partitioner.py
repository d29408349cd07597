"""Our murmur2 against aiokafka's, which is Java's: every partition depends on it."""

import random

from aiokafka.partitioner import murmur2 as reference

from streams.kafka.partitioner import murmur2, partition_for


def test_every_key_of_any_length_hashes_as_aiokafka_hashes_it() -> None:
    draw = random.Random(0)
    keys = [draw.randbytes(length) for length in range(70) for _ in range(20)]
    assert [murmur2(key) for key in keys] == [reference(key) & 0xFFFFFFFF for key in keys]


def test_text_and_its_utf8_have_one_partition() -> None:
    assert [partition_for("käufer", 12), partition_for("käufer".encode(), 12)] == [
        (reference("käufer".encode()) & 0x7FFFFFFF) % 12
    ] * 2
