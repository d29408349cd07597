"""Bytes of `training-examples` to records that the buffer can hold and the learner can read, or why not.

Columns are checked against each other, and against the feature schema when they were captured with the present one:
slates of another schema are whole, and left out when learned from.
"""

from base64 import b64decode
from binascii import Error as NotBase64

import msgspec

from models.content import VALUE_BITS
from models.feature_schema import EVENT_KINDS, FeatureSchema
from streams.events.field_types import MAX_ITEMS
from streams.events.rejection import Rejected
from streams.examples.attribution import MAX_SLATE_ITEMS
from streams.examples.records import Example, Forget, Labels, Shown, decode_codes, decode_record
from streams.features.catalogue import KINDS
from streams.features.user_state import MAX_ACTIONS, MAX_ANSWERS

__all__ = ["check_example"]

VALUE_BYTES = 4


def check_example(raw: bytes | None, schema: FeatureSchema) -> Example | Rejected:
    """The record in `raw`, or the reason why it is none. `schema`: the present one."""
    if not raw:
        return Rejected(0, "empty", "record: no value, needed one JSON object")
    try:
        record = decode_record(raw)
    except msgspec.ValidationError as error:
        return Rejected(0, "wrong_type", f"record: {error}")
    except (ValueError, RecursionError) as error:
        return Rejected(0, "not_json", f"record: {error}")
    problem = _problem(record, schema)
    if problem:
        return Rejected(0, "impossible_value", problem)
    if isinstance(record, Shown) and record.feature_schema != schema.hash:
        # Nothing learns from it now, and nothing could tell whether its content is whole.
        return msgspec.structs.replace(record, content=None)
    return record


def _problem(record: Example, schema: FeatureSchema) -> str:
    if isinstance(record, Forget):
        return ""
    return _labels_problem(record) if isinstance(record, Labels) else _shown_problem(record, schema)


def _labels_problem(labels: Labels) -> str:
    censored = labels.items if labels.censored is None else labels.censored
    lengths = sorted({len(labels.items), len(labels.values), len(censored)})
    if len(lengths) > 1:
        return f"items, values, censored: found lengths {lengths}, must be equal"
    return _too_many(lengths[0], MAX_SLATE_ITEMS)


def _shown_problem(shown: Shown, schema: FeatureSchema) -> str:
    num_rows = len(shown.items)
    lengths = sorted({num_rows, len(shown.positions), len(shown.kinds)})
    if len(lengths) > 1 or not num_rows:
        return f"items, positions, kinds: found lengths {lengths}, must be equal and not 0"
    if problem := _too_many(num_rows, MAX_ITEMS):
        return problem
    unknown = set(shown.kinds) - set(KINDS)
    if unknown:
        return f"kinds: found {min(unknown)!r}, must be one of {', '.join(KINDS)}"
    if min(shown.positions) < 0 or shown.part < 0:
        return f"positions, part: found {min(*shown.positions, shown.part)}, must be 0 or above"
    if shown.feature_schema != schema.hash:
        return ""
    sizes = {"user": len(schema.user), "item": num_rows * len(schema.item), "cross": num_rows * len(schema.cross)}
    problems = (_array_problem(name, getattr(shown, name), num_values) for name, num_values in sizes.items())
    return next(filter(None, problems), "") or _content_problem(shown, schema) or _history_problem(shown)


def _too_many(found: int, allowed: int) -> str:
    return f"items: found {found}, must be at most {allowed}" if found > allowed else ""


def _content_problem(shown: Shown, schema: FeatureSchema) -> str:
    content, num_rows = shown.content, len(shown.items)
    if content is None:
        return ""
    num_codes = sum(content.sizes)
    if len(content.sizes) != num_rows or min(content.sizes) < 0:
        return f"content sizes: found {len(content.sizes)}, must be {num_rows}, each 0 or above"
    problem = _array_problem("content codes", content.codes, num_codes)
    problem = problem or _array_problem("content dense", content.dense, num_rows * len(schema.dense))
    if problem or not num_codes:
        return problem
    codes = decode_codes(content.codes)
    largest = len(schema.content) << VALUE_BITS
    wrong = codes[(codes < 0) | (codes >= largest)]
    return f"content codes: found {wrong[0]}, must be from 0 to below {largest}" if len(wrong) else ""


def _history_problem(shown: Shown) -> str:
    answers, actions = shown.answers, shown.actions
    problem = ""
    if answers is not None:
        num = len(answers.items)
        problem = _marks_problem("answers", num, MAX_ANSWERS, answers.clicked, range(-1, 2))
        problem = problem or _array_problem("logits of answers", answers.logits, num)
    if actions is not None and not problem:
        num = len(actions.items)
        problem = _marks_problem("actions", num, MAX_ACTIONS, actions.kinds, range(len(EVENT_KINDS)))
        problem = problem or _array_problem("ages of actions", actions.age_s, num)
    return problem


def _marks_problem(name: str, num: int, max_num: int, marks: list[int], allowed: range) -> str:
    if num > max_num or len(marks) != num:
        return f"{name}: found {num} items and {len(marks)} marks, must be as many, at most {max_num}"
    wrong = set(marks) - set(allowed)
    return f"{name}: found mark {min(wrong)}, must be from {allowed[0]} to {allowed[-1]}" if wrong else ""


def _array_problem(name: str, text: str, num_values: int) -> str:
    try:
        found = len(b64decode(text, validate=True))
    except (NotBase64, ValueError) as error:
        return f"{name}: not base64 ({error})"
    needed = num_values * VALUE_BYTES
    return "" if found == needed else f"{name}: found {found} bytes, must be {needed} ({num_values} values of 4)"
