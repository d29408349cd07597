"""A worker checks itself: now and then, the features it has just captured are computed anew from records alone.

One list every few seconds, and less often where it takes long, as with items that have many neighbours. Sums over
several sources are added in another order there, so values that differ by float rounding count as equal.
"""

import numpy as np
import structlog
from numpy.typing import NDArray

from models.feature_schema import FeatureSchema
from streams.clock import Clock
from streams.features.capture import Captured, Request
from streams.features.capture_anew import capture_anew
from streams.features.items import ItemTable
from streams.features.skew import FeatureSkew
from streams.features.user_state import UserState
from streams.observability.metrics import WorkerMetrics

__all__ = ["SkewSampler"]

INTERVAL_S = 5.0
# It rests so many times as long as it took: a hundredth of the worker's time at most.
REST_FACTOR = 100.0
# Of a list, its first items: what is wrong with one feature is wrong with it everywhere.
MAX_ITEMS = 20
TOLERANCE = 1e-4
log = structlog.get_logger(__name__)


class SkewSampler:
    """`watch` is told of every capture. `interval_s`: at most one is computed anew in so long."""

    def __init__(
        self, schema: FeatureSchema, clock: Clock, metrics: WorkerMetrics, interval_s: float = INTERVAL_S
    ) -> None:
        self._schema, self._clock, self._metrics, self._interval_s = schema, clock, metrics, interval_s
        self._next_s = float("-inf")

    def watch(  # noqa: PLR0917 - what `capture` is given, and what it gave
        self,
        user: UserState,
        items: ItemTable,
        slots: NDArray[np.int32],
        now_ms: int,
        request: Request,
        found: Captured,
    ) -> None:
        """Compare what was captured, if it is time."""
        if not len(slots) or self._clock.monotonic_s() < self._next_s:
            return
        began_s = self._clock.monotonic_s()
        anew = capture_anew(user, items, slots[:MAX_ITEMS], now_ms, request)
        self._metrics.skew_lists.inc()
        self._compare(self._schema.user, found.user_U[None], anew.user_U[None], user)
        self._compare(self._schema.item, found.item_NI[:MAX_ITEMS], anew.item_NI, user)
        self._compare(self._schema.cross, found.cross_NX[:MAX_ITEMS], anew.cross_NX, user)
        now_s = self._clock.monotonic_s()
        self._next_s = now_s + max(self._interval_s, REST_FACTOR * (now_s - began_s))

    def _compare(
        self, names: tuple[str, ...], served_NF: NDArray[np.float32], anew_NF: NDArray[np.float32], user: UserState
    ) -> None:
        skew = FeatureSkew(names, TOLERANCE)
        skew.add(served_NF, anew_NF)
        for name, different, apart in zip(names, skew.num_different_F, skew.max_difference_F, strict=True):
            self._metrics.skew.labels(name).set(float(apart))
            if different:
                self._metrics.skewed.labels(name).inc(int(different))
                log.warning("feature_skewed", feature=name, difference=float(apart), user_id=user.user_id)
