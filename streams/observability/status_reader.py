"""Asks a role's web server, from another process: is it ready, what is its status, what does a metric say.

A role that is away or restarting is no error here: the answer is None, and who asks decides.
"""

import json
import urllib.request
from collections.abc import Iterator
from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

__all__ = ["is_healthy", "read_samples", "read_status", "sum_of"]

_TIMEOUT_S = 1.0
_OK = 200


def is_healthy(url: str) -> bool:
    """Whether the role at this base address says that it is ready."""
    return _get(f"{url}/health") is not None


def read_status(url: str) -> dict[str, Any] | None:
    """The role's `/status`; None when it does not answer."""
    raw = _get(f"{url}/status")
    found = json.loads(raw) if raw is not None else None
    return found if isinstance(found, dict) else None


def read_samples(url: str) -> list[Sample]:
    """All samples of the role's `/metrics`; none when it does not answer."""
    raw = _get(f"{url}/metrics")
    return list(_samples(raw.decode())) if raw is not None else []


def sum_of(samples: list[Sample], name: str) -> float:
    """The sum over all labels of the samples of this name."""
    return float(sum(sample.value for sample in samples if sample.name == name))


def _samples(text: str) -> Iterator[Sample]:
    for family in text_string_to_metric_families(text):
        yield from family.samples


def _get(url: str) -> bytes | None:
    """The body of a 200 from one of our own servers; None for anything else."""
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as response:  # noqa: S310 -- http on 127.0.0.1
            body: bytes = response.read()
            return body if response.status == _OK else None
    except (OSError, ValueError):
        return None
