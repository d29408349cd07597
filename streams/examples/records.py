"""The records on `training-examples`: what was shown, labels for it, and whom to forget. The trainer joins by slate.

JSON; feature arrays travel as base64 of little-endian float32, row-major, in the order of the feature schema.
"""

import base64
from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = [
    "Example",
    "Forget",
    "Labels",
    "PastActions",
    "PastAnswers",
    "Shown",
    "ShownContent",
    "decode_array",
    "decode_codes",
    "decode_record",
    "encode_array",
    "encode_arrays",
    "encode_record",
]

Float32 = NDArray[np.float32]


class ShownContent(msgspec.Struct, array_like=True, frozen=True):
    """What the catalogue said of the N items (models.content).

    `codes`: int32, of all items in a row, `sizes[k]` of item k. `dense`: float32[N, D].
    """

    sizes: list[int]
    codes: str
    dense: str


class PastAnswers(msgspec.Struct, array_like=True, frozen=True):
    """How the user answered what was shown before, oldest first. `clicked`: 1, passed 0, disliked -1.

    `logits`: float32[A], the items' smoothed click log-odds when they were shown.
    """

    items: list[str]
    clicked: list[int]
    logits: str


class PastActions(msgspec.Struct, array_like=True, frozen=True):
    """What the user did before, oldest first. `kinds`: places in EVENT_KINDS; `age_s`: float32[H]."""

    items: list[str]
    kinds: list[int]
    age_s: str


class Shown(msgspec.Struct, kw_only=True, frozen=True, tag="shown", tag_field="kind"):
    """Items that a user saw, with what was known at that moment. The first record of a (slate, part) wins.

    N items. `user`: float32[U]; `item`: float32[N, I]; `cross`: float32[N, X]; see `decode_array`.
    `part` counts from 0; a later impression event that adds items to a slate adds a part. `content` is None in the
    replay buffer, which keeps it by item.
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
    content: ShownContent | None = None
    answers: PastAnswers | None = None
    actions: PastActions | None = None


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


class Forget(msgspec.Struct, kw_only=True, frozen=True, tag="forget", tag_field="kind"):
    """The user's slates shown up to `at_ms` are not to be learned from any more.

    Stands on every partition, as a user's slates do, after all that came before it: so nothing read later brings the
    user back.
    """

    user_id: str
    at_ms: int


Example: TypeAlias = Shown | Labels | Forget

_ENCODER = msgspec.json.Encoder()
_DECODER: msgspec.json.Decoder[Example] = msgspec.json.Decoder(Example)


def encode_record(record: Example) -> bytes:
    """JSON bytes."""
    return _ENCODER.encode(record)


def decode_record(raw: bytes) -> Example:
    """The record in `raw`. Raises msgspec.ValidationError or msgspec.DecodeError (both are ValueError)."""
    return _DECODER.decode(raw)


def encode_arrays(parts: "Iterable[Buffer]") -> str:
    """Base64 of little-endian arrays, or of their bytes, one after the other."""
    return base64.b64encode(b"".join(parts)).decode()


def decode_codes(text: str) -> NDArray[np.int32]:
    """int32[V] from `encode_arrays`. Raises ValueError for what is none."""
    return np.frombuffer(base64.b64decode(text, validate=True), dtype="<i4")


def encode_array(values: Float32) -> str:
    """Base64 of the array's bytes, row-major little-endian float32."""
    return base64.b64encode(np.ascontiguousarray(values, dtype="<f4").tobytes()).decode()


def decode_array(text: str, width: int) -> Float32:
    """float32[rows, width] from `encode_array`. Raises ValueError when the size is no multiple of `width`."""
    return np.frombuffer(base64.b64decode(text, validate=True), dtype="<f4").reshape(-1, width)
