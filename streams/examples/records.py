"""The two records on `training-examples`: what was shown, and labels for it. The trainer joins them by slate.

JSON; feature arrays travel as base64 of little-endian float32, row-major, in the order of the feature schema.
"""

import base64

import msgspec
import numpy as np
from numpy.typing import NDArray

__all__ = ["Labels", "Shown", "decode_array", "decode_record", "encode_array", "encode_record"]

Float32 = NDArray[np.float32]


class Shown(msgspec.Struct, kw_only=True, frozen=True, tag="shown", tag_field="kind"):
    """Items that a user saw, with the features they had at that moment. The first record of a (slate, part) wins.

    N items. `user`: float32[U]; `item`: float32[N, I]; `cross`: float32[N, X]; see `decode_array`.
    `part` counts from 0; a later impression event that adds items to a slate adds a part.
    """

    slate_id: str
    user_id: str
    surface: str
    shown_at_ms: int
    items: list[str]
    positions: list[int]
    kinds: list[str]
    feature_schema: str
    user: str
    item: str
    cross: str
    part: int = 0
    policy: str = "score"
    propensities: list[float] | None = None
    model_version: int = 0


class Labels(msgspec.Struct, kw_only=True, frozen=True, tag="labels", tag_field="kind"):
    """Labels of one task for all rows of a slate that have one. The highest revision of a (slate, task) wins.

    `values`: 0 or 1; for dwell, seconds, of clicked items only. `censored`: for dwell, true while the visit may go on
    (the value is a lower bound). `is_closed`: the task's window is over; before, a task learned early has
    labels that may still turn from 0 to 1.
    """

    slate_id: str
    user_id: str
    task: str
    revision: int
    items: list[str]
    values: list[float]
    censored: list[bool] | None = None
    is_closed: bool = True
    shown_at_ms: int = 0
    watermark_ms: int = 0


_ENCODER = msgspec.json.Encoder()
_DECODER: msgspec.json.Decoder[Shown | Labels] = msgspec.json.Decoder(Shown | Labels)


def encode_record(record: Shown | Labels) -> bytes:
    """JSON bytes."""
    return _ENCODER.encode(record)


def decode_record(raw: bytes) -> Shown | Labels:
    """The record in `raw`. Raises msgspec.ValidationError or msgspec.DecodeError (both are ValueError)."""
    return _DECODER.decode(raw)


def encode_array(values: Float32) -> str:
    """Base64 of the array's bytes, row-major little-endian float32."""
    return base64.b64encode(np.ascontiguousarray(values, dtype="<f4").tobytes()).decode()


def decode_array(text: str, width: int) -> Float32:
    """float32[rows, width] from `encode_array`. Raises ValueError when the size is no multiple of `width`."""
    return np.frombuffer(base64.b64decode(text, validate=True), dtype="<f4").reshape(-1, width)
