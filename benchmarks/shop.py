"""The seeded shop as a stream of batches: what the model would see and what came of it, with the true chances beside.

No Kafka, no trainer: blocks of slates in event-time order with features from the past only; all slates are of one size.
Labels are final; when each positive became known is given too, so that an experiment can hold it back.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from benchmarks.shop_counters import ShopCounters
from benchmarks.shop_world import DAY_S, NUM_STYLES, Chances, ShopSpec, ShopWorld
from models.batch import Batch
from models.feature_schema import FeatureSchema

__all__ = ["DAY_S", "SHOP_SCHEMA", "Block", "ShopSpec", "blocks", "joined"]

Float64 = NDArray[np.float64]
Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]

SHOP_SCHEMA = FeatureSchema(
    affinity_fields=("category",),
    number_fields=("price", *(f"style_{v}" for v in range(NUM_STYLES))),
)
BLOCK_SLATES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """S slates with N rows. `y[task]` float64[N]: final labels; dwell in seconds, NaN without a click.

    `order_at_s_N`: when the order came, infinity without one; other positives are known at once. `at_s_N`: when a row
    was shown. `season_N`: its item's.
    """

    at_s_S: Float64
    user_S: Int64
    user_SU: Float32
    item_NI: Float32
    cross_NX: Float32
    slate_N: Int64
    item_N: Int64
    position_N: Int64
    kind_N: Int64
    season_N: Int64
    at_s_N: Float64
    y: dict[str, Float64]
    order_at_s_N: Float64
    chances: Chances

    def take(self, slates: Int64) -> "Block":
        """These slates only, in this order."""
        size = len(self.slate_N) // len(self.at_s_S)
        rows = (slates[:, None] * size + np.arange(size)).ravel()
        of_slates = {name: getattr(self, name)[slates] for name in ("at_s_S", "user_S", "user_SU")}
        columns = ("item_NI", "cross_NX", "item_N", "position_N", "kind_N", "season_N", "at_s_N", "order_at_s_N")
        return Block(
            **of_slates,
            **{name: getattr(self, name)[rows] for name in columns},
            slate_N=np.repeat(np.arange(len(slates)), size),
            y={task: column[rows] for task, column in self.y.items()},
            chances=self.chances.take(rows),
        )

    def batch(self, labels: Mapping[str, Float64] | None = None, weight_N: Float64 | None = None) -> Batch:
        """As the model takes it: with the final labels, or with `labels`, NaN where not known."""
        return Batch.from_arrays(
            user_SU=self.user_SU,
            item_NI=self.item_NI,
            cross_NX=self.cross_NX,
            slate_N=self.slate_N,
            position_N=self.position_N,
            kind_N=self.kind_N,
            labels=dict(self.y if labels is None else labels),
            weight_N=weight_N,
        )


def blocks(spec: ShopSpec, block_slates: int = BLOCK_SLATES) -> Iterator[Block]:
    """All of `spec.num_slates`, oldest first. The same spec gives the same blocks."""
    world = ShopWorld(spec)
    counters, rng = ShopCounters(world), np.random.default_rng([spec.seed, 1])
    activity_U = rng.exponential(1.0, spec.num_users)
    share_U = activity_U / activity_U.sum()
    at_s = np.sort(rng.random(spec.num_slates)) * spec.days * DAY_S
    for start in range(0, spec.num_slates, block_slates):
        at_s_S = at_s[start : start + block_slates]
        counters.advance(float(at_s_S[0]))
        user_S = rng.choice(spec.num_users, len(at_s_S), p=share_U)
        block = _block(world, counters, rng, user_S, at_s_S)
        user_N = user_S[block.slate_N]
        counters.add(user_N, block.item_N, block.y, block.order_at_s_N, spec.slate_size)
        yield block


def joined(stream: Sequence[Block]) -> Block:
    """One block of all slates."""
    sizes = np.cumsum([0, *(len(block.at_s_S) for block in stream[:-1])])
    columns = [field.name for field in fields(Block) if field.name not in {"slate_N", "y", "chances"}]
    return Block(
        **{name: np.concatenate([getattr(block, name) for block in stream]) for name in columns},
        slate_N=np.concatenate([block.slate_N + start for block, start in zip(stream, sizes, strict=True)]),
        y={task: np.concatenate([block.y[task] for block in stream]) for task in stream[0].y},
        chances=Chances.joined([block.chances for block in stream]),
    )


def _block(world: ShopWorld, counters: ShopCounters, rng: np.random.Generator, user_S: Int64, at_s_S: Float64) -> Block:
    size = world.spec.slate_size
    item_N = np.concatenate([rng.choice(world.shelf(float(at_s)), size, replace=False) for at_s in at_s_S])
    slate_N, position_N = np.repeat(np.arange(len(user_S)), size), np.tile(np.arange(size), len(user_S))
    user_N = user_S[slate_N]
    chances = world.chances(user_N, item_N, position_N, at_s_S[slate_N])
    y, order_at_s_N = _outcomes(world, rng, chances, at_s_S[slate_N])
    matrix = counters.matrix
    return Block(
        at_s_S=at_s_S,
        user_S=user_S,
        user_SU=matrix(counters.user(user_S, at_s_S), SHOP_SCHEMA.user, len(user_S)),
        item_NI=matrix(counters.item(item_N), SHOP_SCHEMA.item, len(item_N)),
        cross_NX=matrix(counters.cross(user_N, item_N), SHOP_SCHEMA.cross, len(item_N)),
        slate_N=slate_N,
        item_N=item_N,
        position_N=position_N,
        kind_N=world.kind_I[item_N],
        season_N=world.season_I[item_N],
        at_s_N=at_s_S[slate_N],
        y=y,
        order_at_s_N=order_at_s_N,
        chances=chances,
    )


def _outcomes(
    world: ShopWorld, rng: np.random.Generator, chances: Chances, at_s_N: Float64
) -> tuple[dict[str, Float64], Float64]:
    """Final labels, and when orders came."""
    draw_N, of_cart_N, of_order_N = rng.random((3, len(at_s_N)))
    click_N = draw_N < chances.task["click"]
    dislike_N = draw_N > 1 - chances.task["dislike"]
    cart_N = click_N & (of_cart_N < chances.cart_given_click_N)
    order_N = cart_N & (of_order_N < chances.order_given_cart_N)
    dwell_s_N, delay_s_N = world.sample_dwell_s(rng, chances), world.sample_order_delay_s(rng, len(at_s_N))
    y = {
        "click": click_N.astype(np.float64),
        "dwell": np.where(click_N, dwell_s_N, np.nan),
        "cart": cart_N.astype(np.float64),
        "order": order_N.astype(np.float64),
        "dislike": dislike_N.astype(np.float64),
    }
    return y, np.where(order_N, at_s_N + delay_s_N, np.inf)
