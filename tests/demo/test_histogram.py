"""Quantiles of a Prometheus histogram."""

import math

import pytest
from prometheus_client import CollectorRegistry, Histogram

from streams.demo.histogram import quantile_of


@pytest.fixture
def waits() -> Histogram:
    return Histogram("waits_seconds", "", ["cause"], buckets=(1.0, 2.0, 4.0), registry=CollectorRegistry())


def _quantile(waits: Histogram, quantile: float) -> tuple[float, int]:
    return quantile_of([s for family in waits.collect() for s in family.samples], "waits_seconds", quantile)


def test_a_quantile_lies_inside_its_bucket_over_all_labels(waits: Histogram) -> None:
    for seconds in (0.5, 0.5, 1.5, 1.5):
        waits.labels("event").observe(seconds)
    for seconds in (3.0, 3.0, 3.0, 3.0):
        waits.labels("request").observe(seconds)

    assert _quantile(waits, 0.25) == (1.0, 8)
    assert _quantile(waits, 0.5) == (2.0, 8)
    assert _quantile(waits, 0.75) == (3.0, 8)


def test_beyond_the_last_bound_counts_as_that_bound_and_nothing_as_nan(waits: Histogram) -> None:
    waits.labels("event").observe(100.0)

    assert _quantile(waits, 0.99) == (4.0, 1)
    value, num = quantile_of([], "waits_seconds", 0.5)
    assert (math.isnan(value), num) == (True, 0)
