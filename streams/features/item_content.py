"""What a catalogue record says of an item, as the ranker takes it: codes of field values, and numbers and vectors.

Worker and trainer use the same rows: the worker codes an item when the catalogue changes, and sends what it showed with
the example. Nothing is looked up later.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.content import value_code
from models.feature_schema import FeatureSchema

__all__ = ["WORD", "ItemContent", "content_of", "field_value", "no_content", "values_of"]

# Bounds the size of an item: of sets as of texts, the first values count.
MAX_VALUES_PER_FIELD = 256
WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class ItemContent:
    """`code_V` int32: values of all fields (models.content). `dense_D` float32: numbers and vectors, NaN if missing.

    Kept as the little-endian bytes that are sent: an item is shown far more often than it changes.
    """

    codes: bytes
    dense: bytes

    @classmethod
    def of(cls, code_V: NDArray[np.int32], dense_D: NDArray[np.float32]) -> "ItemContent":
        """The content of these arrays."""
        return cls(code_V.astype("<i4").tobytes(), dense_D.astype("<f4").tobytes())

    @property
    def code_V(self) -> NDArray[np.int32]:  # noqa: N802 - an array with its shape
        """int32[V]."""
        return np.frombuffer(self.codes, "<i4")

    @property
    def dense_D(self) -> NDArray[np.float32]:  # noqa: N802 - an array with its shape
        """float32[D]."""
        return np.frombuffer(self.dense, "<f4")


def no_content(num_dense: int) -> ItemContent:
    """Of an item that the catalogue does not have."""
    return ItemContent.of(np.zeros(0, np.int32), np.full(num_dense, np.nan, np.float32))


def content_of(item: Mapping[str, Any], schema: FeatureSchema) -> ItemContent:
    """The content of a catalogue record. Numbers as sign(x) log(1 + |x|): prices and counts span powers of ten."""
    codes: list[int] = []
    for field, name in enumerate(schema.content):
        value = field_value(item, name)
        found = _words(value) if name in schema.text_fields else values_of(value)
        codes += (value_code(field, text) for text in islice(dict.fromkeys(found), MAX_VALUES_PER_FIELD))
    numbers = [_number(field_value(item, name)) for name in schema.number_fields]
    dense = np.array(numbers, np.float64)
    parts = [np.sign(dense) * np.log1p(np.abs(dense))]
    for name, width in zip(schema.vector_fields, schema.vector_widths, strict=True):
        parts.append(_vector(field_value(item, name), width))
    return ItemContent.of(np.array(codes, np.int32), np.concatenate(parts).astype(np.float32))


def field_value(item: Mapping[str, Any], name: str) -> Any:
    """A field of an item by name: a standard one, or one of `fields`."""
    return item[name] if name in item else item.get("fields", {}).get(name)


def values_of(value: Any) -> list[str]:
    """A field's values: none, one, or those of a list."""
    if value is None or value == "":
        return []
    return [str(v) for v in value] if isinstance(value, list) else [str(value)]


def _words(value: Any) -> Iterable[str]:
    return (word for text in values_of(value) for word in WORD.findall(text.lower()))


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) else float("nan")


def _vector(value: Any, width: int) -> NDArray[np.float64]:
    """A vector of another width says nothing that a model of this one could read."""
    if isinstance(value, list) and len(value) == width:
        return np.array(value, np.float64)
    return np.full(width, np.nan)
