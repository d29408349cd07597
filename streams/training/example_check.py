"""Bytes of `training-examples` to records that the buffer can hold and the learner can read, or why not.

Columns are checked against each other, and against the feature schema when they were captured with the present one:
slates of another schema are whole, and left out when learned from.
"""

from base64 import b64decode
from binascii import Error as NotBase64

import msgspec

from models.feature_schema import FeatureSchema
from streams.events.rejection import Rejected
from streams.examples.records import Labels, Shown, decode_record
from streams.features.catalogue import KINDS

__all__ = ["check_example"]

FLOAT_BYTES = 4


def check_example(raw: bytes | None, schema: FeatureSchema) -> Shown | Labels | Rejected:
    """The record in `raw`, or the reason why it is none. `schema`: the present one."""
    if not raw:
        return Rejected(0, "empty", "record: no value, needed one JSON object")
    try:
        record = decode_record(raw)
    except msgspec.ValidationError as error:
        return Rejected(0, "wrong_type", f"record: {error}")
    except (ValueError, RecursionError) as error:
        return Rejected(0, "not_json", f"record: {error}")
    problem = _labels_problem(record) if isinstance(record, Labels) else _shown_problem(record, schema)
    return Rejected(0, "impossible_value", problem) if problem else record


def _labels_problem(labels: Labels) -> str:
    censored = labels.items if labels.censored is None else labels.censored
    lengths = sorted({len(labels.items), len(labels.values), len(censored)})
    return f"items, values, censored: found lengths {lengths}, must be equal" if len(lengths) > 1 else ""


def _shown_problem(shown: Shown, schema: FeatureSchema) -> str:
    num_rows = len(shown.items)
    lengths = sorted({num_rows, len(shown.positions), len(shown.kinds)})
    if len(lengths) > 1 or not num_rows:
        return f"items, positions, kinds: found lengths {lengths}, must be equal and not 0"
    unknown = set(shown.kinds) - set(KINDS)
    if unknown:
        return f"kinds: found {min(unknown)!r}, must be one of {', '.join(KINDS)}"
    if min(shown.positions) < 0 or shown.part < 0:
        return f"positions, part: found {min(*shown.positions, shown.part)}, must be 0 or above"
    if shown.feature_schema != schema.hash:
        return ""
    sizes = {"user": len(schema.user), "item": num_rows * len(schema.item), "cross": num_rows * len(schema.cross)}
    problems = (_array_problem(name, getattr(shown, name), num_values) for name, num_values in sizes.items())
    return next(filter(None, problems), "")


def _array_problem(name: str, text: str, num_values: int) -> str:
    try:
        found = len(b64decode(text, validate=True))
    except (NotBase64, ValueError) as error:
        return f"{name}: not base64 ({error})"
    needed = num_values * FLOAT_BYTES
    return "" if found == needed else f"{name}: found {found} bytes, must be {needed} ({num_values} float32)"
