"""What records of `training-examples` change in the replay buffer: slates joined, or users forgotten.

Reads the buffer's database, writes nothing: the buffer commits the changes with the offset they include.
"""

from collections.abc import Iterable
from copy import deepcopy

from streams.examples.records import Forget, Labels, Shown
from streams.training.buffer_changes import BufferFacts, Changes
from streams.training.buffer_database import BufferDatabase
from streams.training.buffer_keys import head_key, heads_of, slate_key
from streams.training.content_table import ContentTable

__all__ = ["forgotten", "joined", "slates_of"]


def joined(
    store: BufferDatabase, facts: BufferFacts, contents: ContentTable, examples: Iterable[Shown | Labels]
) -> Changes:
    """Examples joined to their slates."""
    of_slates = [(slate_key(example.user_id, example.slate_id), example) for example in examples]
    changes = Changes(deepcopy(facts), contents)
    slates = list(dict.fromkeys(slate for slate, _ in of_slates))
    changes.load(slates, store.get_many([head_key(slate) for slate in slates]))
    for slate, example in of_slates:
        changes.take(slate, example)
    changes.settle()
    return changes


def forgotten(store: BufferDatabase, facts: BufferFacts, contents: ContentTable, records: Iterable[Forget]) -> Changes:
    """The users' slates leave, but for those that a user who came back was shown since."""
    changes = Changes(deepcopy(facts), contents)
    for user_id, at_ms in {record.user_id: record.at_ms for record in records}.items():
        slates = slates_of(store, user_id)
        changes.load(slates, store.get_many([head_key(slate) for slate in slates]))
        for slate in slates:
            if changes.heads[slate].at_ms <= at_ms or not changes.heads[slate].parts:
                changes.drop(slate)
    return changes


def slates_of(store: BufferDatabase, user_id: str) -> list[bytes]:
    """Keys of all slates of a user, also of those that only have labels."""
    return [key[1:] for key, _ in store.scan(heads_of(user_id))]
