import torch

from models.batch import Batch
from models.content import NO_ITEM, VALUE_BITS, Content, item_hash, value_code
from models.inputs import History


def test_a_value_has_its_field_above_and_the_same_hash_everywhere() -> None:
    assert value_code(3, "drama") >> VALUE_BITS == 3
    assert value_code(0, "drama") == 15011806
    assert value_code(3, "drama") - value_code(0, "drama") == 3 << VALUE_BITS
    assert item_hash("tea") == 6715645364923425352
    assert 0 <= item_hash("cup") < 1 << 63


def content(*ids: int) -> Content:
    num = len(ids)
    return Content(
        id_M=torch.tensor(ids), value_V=torch.tensor(ids) * 10, item_V=torch.arange(num), dense_MD=torch.ones(num, 1)
    )


def history(answers: list[list[int]]) -> History:
    answer_SA = torch.tensor(answers)
    blank, none = torch.zeros(answer_SA.shape), torch.empty(len(answers), 0)
    return History(
        answer_SA=answer_SA,
        answer_y_SA=blank + 1,
        answer_logit_SA=blank - 2,
        action_SH=none.long(),
        action_kind_SH=none.long(),
        action_age_s_SH=none,
    )


def batch(content_N: list[int], of: Content, before: History) -> Batch:
    num_rows, num_slates = len(content_N), len(before.answer_SA)
    zeros = torch.zeros(num_rows, dtype=torch.int64)
    return Batch(
        user_SU=torch.zeros(num_slates, 1),
        item_NI=torch.zeros(num_rows, 1),
        cross_NX=torch.zeros(num_rows, 1),
        slate_N=zeros,
        content_N=torch.tensor(content_N),
        content=of,
        history=before,
        position_N=zeros,
        kind_N=zeros,
        y={},
        mask={},
        weight_N=torch.ones(num_rows),
        censored=zeros.bool(),
        is_replay_N=zeros.bool(),
        is_early={},
    )


def test_batches_are_joined_with_content_and_history_renumbered_and_padded_in_front() -> None:
    first = batch([1, NO_ITEM], content(7, 8), history([[0]]))
    second = batch([0], content(9), history([[0, NO_ITEM, 0]]))
    joined = Batch.concat([first, second])
    assert joined.content.id_M.tolist() == [7, 8, 9]
    assert joined.content.item_V.tolist() == [0, 1, 2]
    assert joined.content_N.tolist() == [1, NO_ITEM, 2]
    assert joined.history.answer_SA.tolist() == [[NO_ITEM, NO_ITEM, 0], [2, NO_ITEM, 2]]
    assert joined.history.answer_y_SA.tolist() == [[0, 0, 1], [1, 1, 1]]
