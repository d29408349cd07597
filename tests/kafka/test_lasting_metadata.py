"""A client whose metadata could not be read once goes on reading it; aiokafka alone does not, while ours is needed."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
OURS = """
from streams.kafka.security import aiokafka_kwargs
from streams.settings import Settings
aiokafka_kwargs(Settings(bootstrap_servers="127.0.0.1:1"))
"""
ASK = """
import asyncio
from aiokafka.client import AIOKafkaClient

class Stumbling(AIOKafkaClient):
    num_asked = 0

    async def _metadata_update(self, cluster, topics):
        self.num_asked += 1
        if self.num_asked == 1:
            raise AssertionError("an answer that nobody expected")
        return True

async def main():
    client = Stumbling(bootstrap_servers="127.0.0.1:1")
    client._sync_task = asyncio.create_task(client._md_synchronizer())
    told = asyncio.ensure_future(client.force_metadata_update())
    done, _ = await asyncio.wait([told, client._sync_task], return_when=asyncio.FIRST_COMPLETED)
    print("told" if told in done else "never told", client.num_asked)
    client._sync_task.cancel()

asyncio.run(main())
"""


def said(before: str) -> list[str]:
    """The words of a process whose client gets no usable answer the first time."""
    done = subprocess.run([sys.executable, "-c", before + ASK], capture_output=True, text=True, check=True, cwd=ROOT)
    return done.stdout.splitlines()[-1].split()


def test_whoever_waits_for_metadata_is_told_after_an_error() -> None:
    assert said(OURS) == ["told", "2"]


def test_aiokafka_alone_never_tells() -> None:
    """Fails when aiokafka goes on by itself: streams/kafka/lasting_metadata.py can go then."""
    assert said("") == ["never", "told", "1"]
