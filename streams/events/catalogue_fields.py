"""Which catalogue fields are worth a feature, guessed from the items, so that a foreign log needs no settings.

The rule, deterministic and independent of the order of items:
- a field whose values are all numbers, at least two different ones, is a number field;
- a field of strings or lists of strings is an affinity field when at least half of its values (one per item and value)
  are shared with another item, at least two values differ, and they are at most 64 characters long on average;
- so titles, ids and free text are left out: hardly any of their values is shared.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

__all__ = ["infer_catalogue_fields"]

MIN_SHARED_FRAC = 0.5
MAX_MEAN_CHARS = 64
_AFFINITY_FIRST = ("category", "brand", "tags")
_NUMBERS_FIRST = ("price",)


def infer_catalogue_fields(items: Iterable[Mapping[str, Any]]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(affinity fields, number fields) of catalogue items: standard fields first, then keys of `fields` by name."""
    texts: dict[str, Counter[str]] = {}
    numbers: dict[str, set[float]] = {}
    neither: set[str] = set()
    for item in items:
        for name, value in _candidates(item):
            if isinstance(value, (int, float)):
                numbers.setdefault(name, set()).add(value)
            elif words := _words(value):
                texts.setdefault(name, Counter()).update(words)
            elif value != []:
                neither.add(name)
    mixed = neither | (texts.keys() & numbers.keys())
    affinity = (name for name, counts in texts.items() if name not in mixed and _is_shared(counts))
    number = (name for name, values in numbers.items() if name not in mixed and len(values) > 1)
    return _ordered(affinity, _AFFINITY_FIRST), _ordered(number, _NUMBERS_FIRST)


def _candidates(item: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    yield from ((name, item[name]) for name in (*_AFFINITY_FIRST, *_NUMBERS_FIRST) if name in item)
    yield from item.get("fields", {}).items()


def _words(value: object) -> set[str]:
    if isinstance(value, str):
        return {value}
    if isinstance(value, list) and all(isinstance(word, str) for word in value):
        return set(value)
    return set()


def _is_shared(counts: Counter[str]) -> bool:
    total = counts.total()
    shared = sum(count for count in counts.values() if count > 1)
    chars = sum(len(word) * count for word, count in counts.items())
    return len(counts) > 1 and shared >= MIN_SHARED_FRAC * total and chars <= MAX_MEAN_CHARS * total


def _ordered(names: Iterable[str], first: tuple[str, ...]) -> tuple[str, ...]:
    found = set(names)
    return (*(name for name in first if name in found), *sorted(found.difference(first)))
