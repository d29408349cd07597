"""Where the public RankLens log lies (CC-BY-SA 4.0, metarank/ranklens), beside the repository and never in it."""

from pathlib import Path

import pytest

RANKLENS = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "ranklens" / "events.jsonl.gz"
needs_ranklens = pytest.mark.skipif(not RANKLENS.exists(), reason=f"the RankLens log is not at {RANKLENS}")
