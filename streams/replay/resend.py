"""Sends dead letters again: the original bytes, to the topic they came from."""

from collections.abc import Iterable
from typing import NamedTuple

from streams.events.dead_letter import DeadLetter
from streams.kafka.bulk_sender import BulkRecord, BulkSender
from streams.settings import Settings

__all__ = ["Resent", "resend", "resendable"]


class Resent(NamedTuple):
    """Numbers of letters. `incomplete`: cut when they were kept, so the original is not here."""

    resent: int
    incomplete: int


def resendable(letter: DeadLetter) -> BulkRecord | None:
    """The record to send, None when it is not whole, or empty. Without a readable key it goes where it was."""
    key, value = letter.key_bytes, letter.rejected_bytes
    if not letter.is_complete or (key is None and value is None):
        return None
    try:
        text = None if key is None else key.decode()
    except UnicodeDecodeError:
        return None
    return BulkRecord(letter.topic, text, value, letter.partition if text is None else None)


async def resend(letters: Iterable[DeadLetter], settings: Settings) -> Resent:
    """Send all that are whole, in order, and return when they are in the log. Raises BrokerUnreachableError."""
    records = [resendable(letter) for letter in letters]
    whole = [record for record in records if record is not None]
    async with BulkSender(settings) as sender:
        await sender.send(whole)
        await sender.flush()
    return Resent(len(whole), len(records) - len(whole))
