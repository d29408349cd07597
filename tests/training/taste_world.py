"""Ready slates of a small seeded world: clicks follow the item's first feature and one cross feature."""

import dataclasses

import numpy as np

from models.feature_schema import FeatureSchema
from streams.examples.records import Shown, encode_array
from streams.training.buffered_slate import BufferedSlate, ReadySlate, TaskLabels

SCHEMA = FeatureSchema(affinity_fields=("category",), number_fields=("price",), text_fields=("title", "text"))
SLATE_SIZE = 10
START_MS = 1_700_000_000_000


def ready_slates(num: int, seed: int = 0, *, tasks: tuple[str, ...] = ("click", "dwell", "cart")) -> list[ReadySlate]:
    """`num` slates of ten items by 24 users, numbered from 1, all labels known; click rate about .25."""
    rng = np.random.default_rng(seed)
    return [_slate(rng, f"s{seed}-{number}", number, tasks) for number in range(1, num + 1)]


def _slate(rng: np.random.Generator, slate_id: str, seq: int, tasks: tuple[str, ...]) -> ReadySlate:
    items = [f"i{k}" for k in range(SLATE_SIZE)]
    user = rng.normal(size=(1, len(SCHEMA.user))).astype(np.float32)
    item = rng.normal(size=(SLATE_SIZE, len(SCHEMA.item))).astype(np.float32)
    cross = rng.normal(size=(SLATE_SIZE, len(SCHEMA.cross))).astype(np.float32)
    # The click rate an item had so far: true, and not the whole truth.
    item[:, 0] -= 1.5
    clicks = (rng.random(SLATE_SIZE) < 1 / (1 + np.exp(-(item[:, 0] + 1.5 * cross[:, 0])))).astype(float)
    dwell_s = np.exp(rng.normal(3 + cross[:, 1], 0.5))
    carts = clicks * (rng.random(SLATE_SIZE) < 0.3)
    opened = [k for k in range(SLATE_SIZE) if clicks[k]]
    user_id = f"u{rng.integers(0, 24)}"
    shown = Shown(
        slate_id=slate_id, user_id=user_id, surface="home", shown_at_ms=START_MS + 1000 * seq, items=items,
        positions=list(range(SLATE_SIZE)), kinds=["product"] * SLATE_SIZE, feature_schema=SCHEMA.hash,
        user=encode_array(user), item=encode_array(item), cross=encode_array(cross),
    )  # fmt: skip
    labels = {
        "click": TaskLabels(1, items, clicks.tolist()),
        "dwell": TaskLabels(1, [items[k] for k in opened], [float(dwell_s[k]) for k in opened], [False] * len(opened)),
        "cart": TaskLabels(1, items, carts.tolist()),
    }
    known = {task: labels[task] for task in tasks}
    return ReadySlate(seq, BufferedSlate(user_id, slate_id, (shown,), known), tuple(sorted(tasks)))


def only(entry: ReadySlate, seq: int, *tasks: str) -> ReadySlate:
    """The same slate as an entry of its own for some of its tasks."""
    return dataclasses.replace(entry, seq=seq, tasks=tasks)


def with_labels(entry: ReadySlate, task: str, values: list[float], revision: int = 1) -> ReadySlate:
    """The slate with other labels of a task over all items."""
    items = list(entry.slate.shown[0].items)
    labels = {**entry.slate.labels, task: TaskLabels(revision, items, values)}
    return dataclasses.replace(entry, slate=dataclasses.replace(entry.slate, labels=labels))
