"""The audit of training examples: what is missing, foreign or unlabelled is named."""

from streams.demo.example_audit import ExampleAudit
from streams.examples.records import Labels, Shown, encode_record


def _shown(slate_id: str, part: int = 0) -> bytes:
    return encode_record(
        Shown(
            slate_id=slate_id, user_id="u", surface="home", shown_at_ms=1, items=["a"], positions=[0],
            kinds=["product"], feature_schema="0", user="", item="", cross="", part=part,
        )
    )  # fmt: skip


def _labels(slate_id: str, task: str = "click", *, is_closed: bool = True) -> bytes:
    return encode_record(
        Labels(slate_id=slate_id, user_id="u", task=task, revision=1, items=["a"], values=[1.0], is_closed=is_closed)
    )


def _audit(*records: bytes) -> ExampleAudit:
    audit = ExampleAudit()
    for raw in records:
        audit.take(raw)
    return audit


def test_shown_and_labelled_slates_have_no_problem_however_often_they_come() -> None:
    audit = _audit(_shown("s"), _labels("s"), _shown("s"), _shown("s", part=1), _labels("s"), _labels("s", "cart"))

    assert audit.problems({("u", "s")}) == []
    assert audit.shown == {("u", "s"): {0, 1}}
    assert audit.labels == {"click": 2, "cart": 1}


def test_each_kind_of_loss_is_a_sentence() -> None:
    audit = _audit(_shown("s"), _labels("s", is_closed=False), _labels("s", "cart"), _shown("x"), _labels("x"))

    assert audit.problems({("u", "s"), ("u", "t")}) == [
        "1 slates were shown but gave no training example (one: t)",
        "1 training examples are of slates that were never shown (one: x)",
        "1 training examples never got their click labels (one: s)",
    ]
