"""A plain Feast program in another process reads rows while they are written."""

import json
import subprocess
import sys
from pathlib import Path

from streams.features.feast_writer import FeatureRowWriter
from streams.settings import Settings
from tests.features.conftest import NUM_PARTITIONS
from tests.features.sample_rows import START_MS, user_rows

ROOT = Path(__file__).parents[2]
USERS = [f"u{n}" for n in range(20)]
NUM_CHANGES = 8

# Only Feast's public names: what anybody could write. It ends once it has seen enough changes.
READER = f"""
import json, sys
from feast import FeatureStore
store = FeatureStore(repo_path=sys.argv[1])
print("ready", flush=True)
asked = {{"user_id": {USERS!r}}}
seen = []
while len(seen) < {NUM_CHANGES}:
    response = store.get_online_features(["user_counters:clicks_total", "user_counters:recent_items"], asked)
    values = response.to_dict()
    if None not in values["clicks_total"] and (not seen or values["clicks_total"] != seen[-1]["clicks_total"]):
        seen.append(values | {{"event_at_ms": response.proto.results[1].event_timestamps[0].ToMilliseconds()}})
print(json.dumps(seen))
"""


def test_a_plain_sdk_program_follows_a_writer(repo: Path, feast_settings: Settings) -> None:
    """Values only ever grow, whole rows are seen, and event times move with them."""
    writer = FeatureRowWriter(repo, feast_settings)
    for partition in range(NUM_PARTITIONS):
        writer.acquire("user_counters", partition)
    command = [sys.executable, "-c", READER, str(repo)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "ready\n"
        step = 0
        while reader.poll() is None:
            step += 1
            writer.write(user_rows(USERS, [step] * len(USERS), START_MS + step))
        seen = json.loads(reader.stdout.read())
    writer.close()
    assert reader.returncode == 0
    for user in range(len(USERS)):
        clicks = [row["clicks_total"][user] for row in seen]
        assert clicks == sorted(clicks)
        assert [row["recent_items"][user] for row in seen] == [[f"item-{n}-0", f"item-{n}-1"] for n in clicks]
    assert len({tuple(row["clicks_total"]) for row in seen}) == NUM_CHANGES
    assert [row["event_at_ms"] - START_MS for row in seen] == [row["clicks_total"][0] for row in seen]
