"""A quantile of a Prometheus histogram, as `histogram_quantile` estimates it: linear inside a bucket."""

import math
from collections import defaultdict
from collections.abc import Iterable

from prometheus_client.samples import Sample

__all__ = ["quantile_of"]


def quantile_of(samples: Iterable[Sample], name: str, quantile: float) -> tuple[float, int]:
    """The quantile over all labels, and how many observations there are; nan without any.

    An observation in the last, open bucket counts as that bucket's lower bound.
    """
    counts: dict[float, float] = defaultdict(float)
    for sample in samples:
        if sample.name == f"{name}_bucket":
            counts[float(sample.labels["le"])] += sample.value
    bounds = sorted(counts)
    total = counts[bounds[-1]] if bounds else 0.0
    if not total:
        return math.nan, 0
    wanted, lower, below = quantile * total, 0.0, 0.0
    for bound in bounds:
        if counts[bound] >= wanted:
            inside = (wanted - below) / max(counts[bound] - below, 1e-12)
            return (lower if math.isinf(bound) else lower + (bound - lower) * inside), int(total)
        lower, below = bound, counts[bound]
    return lower, int(total)
