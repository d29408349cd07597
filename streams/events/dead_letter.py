"""The public record on `dead-letters`: what was refused, where it stood, and why.

Carries the first 64 kB of the refused bytes, so that a record within that size can be sent again as it was.
"""

import base64
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from streams.events.rejection import Reason, Rejected

__all__ = ["KEPT_BYTES", "KEPT_KEY_BYTES", "DeadLetter"]

KEPT_BYTES = 65_536
KEPT_KEY_BYTES = 1024


class DeadLetter(BaseModel):
    """One refused record. `key` and `rejected` are standard base64 of the original bytes, cut when long."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    topic: str = Field(description="where the record stood")
    partition: int
    offset: int
    reason: Reason
    detail: str = Field(description="names the field, what was found and what was needed")
    key: str | None = Field(description="base64 of the first 1,024 bytes; null: the record had no key")
    key_size_bytes: int
    rejected: str | None = Field(description="base64 of the first 65,536 bytes; null: the record had no value")
    size_bytes: int = Field(description="size of the whole value")
    rejected_at_ms: int

    @classmethod
    def of(
        cls, refusal: Rejected, *, topic: str, partition: int, offset: int, key: bytes | None, value: bytes | None,
        rejected_at_ms: int,
    ) -> Self:  # fmt: skip
        """The letter for a record refused for `refusal`."""
        return cls(
            topic=topic,
            partition=partition,
            offset=offset,
            reason=refusal.reason,
            detail=refusal.detail,
            key=_text(key, KEPT_KEY_BYTES),
            key_size_bytes=len(key or b""),
            rejected=_text(value, KEPT_BYTES),
            size_bytes=len(value or b""),
            rejected_at_ms=rejected_at_ms,
        )

    @property
    def key_bytes(self) -> bytes | None:
        """The kept bytes of the key."""
        return None if self.key is None else base64.b64decode(self.key)

    @property
    def rejected_bytes(self) -> bytes | None:
        """The kept bytes of the value."""
        return None if self.rejected is None else base64.b64decode(self.rejected)

    @property
    def is_complete(self) -> bool:
        """Whether key and value are here whole."""
        return self.key_size_bytes <= KEPT_KEY_BYTES and self.size_bytes <= KEPT_BYTES

    def encode(self) -> bytes:
        """JSON bytes for the topic."""
        return self.model_dump_json().encode()

    @classmethod
    def decode(cls, raw: bytes) -> Self:
        """The letter in `raw`. Raises ValueError when it is none."""
        return cls.model_validate_json(raw)


def _text(raw: bytes | None, kept_bytes: int) -> str | None:
    return None if raw is None else base64.b64encode(raw[:kept_bytes]).decode()
