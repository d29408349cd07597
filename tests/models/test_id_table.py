"""Rows of the table, and who gets one: shown rows in, ids with a row of their own out."""

from collections.abc import Sequence

import pytest
import torch

from models.batch import Batch
from models.content import NO_ITEM, Content, value_code
from models.id_learner import IdLearner, IdLearning
from models.id_table import FREE, IdTable
from models.inputs import History

TEA, CUP = value_code(0, "tea"), value_code(0, "cup")


def shown(ids: Sequence[int], category: int = TEA, *, is_replay: bool = False) -> Batch:
    """One row per id; an id that comes twice is shown twice."""
    items = sorted(set(ids), reverse=True)
    content = Content(
        id_M=torch.tensor(items, dtype=torch.int64),
        value_V=torch.full((len(items),), category),
        item_V=torch.arange(len(items)),
        dense_MD=torch.empty(len(items), 0),
    )
    zeros = torch.zeros(len(ids), dtype=torch.int64)
    return Batch(
        user_SU=torch.zeros(1, 1),
        item_NI=torch.zeros(len(ids), 1),
        cross_NX=torch.zeros(len(ids), 1),
        slate_N=zeros,
        content_N=torch.tensor([items.index(one) for one in ids], dtype=torch.int64),
        content=content,
        history=History.empty(1),
        position_N=zeros,
        kind_N=zeros,
        y={},
        mask={},
        weight_N=torch.ones(len(ids)),
        censored=zeros.bool(),
        is_replay_N=zeros.bool() | is_replay,
        is_early={},
    )


def learner(num_rows: int = 16, admission_count: int = 2, idle_steps: int = 100) -> IdLearner:
    """Two rows are shared, the rest can be earned; all rows have numbers of their own."""
    table = IdTable(num_rows, 2, num_fields=1)
    table.embedding_RW.copy_(torch.arange(2.0 * num_rows).view(num_rows, 2))
    return IdLearner(table, IdLearning(learning_rate=0.1, admission_count=admission_count, idle_steps=idle_steps))


def owners(ids: IdLearner) -> list[int]:
    return [key for key in ids.table.key_E.tolist() if key != FREE]


def test_an_id_earns_a_row_when_it_has_been_shown_often_enough() -> None:
    ids, found = learner(admission_count=3), []
    for step, batch in enumerate([shown([7, 8]), shown([7]), shown([9, 9, 9]), shown([7, 8])]):
        ids.observe(batch, step)
        found.append(owners(ids))
    assert found == [[], [], [9], [7, 9]]
    assert ids.waiting == {8: 2}


def test_rows_that_were_learned_before_and_rows_without_an_item_count_nothing() -> None:
    ids = learner(admission_count=1)
    ids.observe(shown([7, 8], is_replay=True), 0)
    unknown = shown([9])
    unknown.content_N[0] = NO_ITEM
    ids.observe(unknown, 1)
    assert (owners(ids), ids.waiting) == ([], {})


def test_an_item_without_a_row_has_that_of_its_category_and_one_of_its_own_starts_there() -> None:
    ids = learner()
    torch.nn.init.normal_(ids.table.content_DW)
    of_tea = ids.table(shown([7], TEA).content).detach()
    assert torch.equal(ids.table(shown([8], TEA).content), of_tea)
    ids.observe(shown([7, 7], TEA), 0)
    ids.table.embedding_RW[:2] += 5
    torch.testing.assert_close(ids.table(shown([7], TEA).content), of_tea)
    assert ids.table.rows_of(shown([7, 8], TEA).content)[1].tolist() == [False, True]


def test_ids_that_earn_rows_at_once_start_each_from_its_own_category_and_content() -> None:
    ids = learner(num_rows=40)
    torch.nn.init.normal_(ids.table.content_DW)
    both = Batch.concat([shown([9, 9], TEA), shown([8, 7, 7, 8], CUP)])
    before = ids.table(both.content).detach()
    ids.observe(both, 0)
    assert owners(ids) == [7, 8, 9]
    assert not torch.equal(before[0], before[1])
    assert torch.equal(ids.table(both.content), before)


def test_categories_have_rows_by_bucket_and_items_without_a_category_the_first() -> None:
    table = IdTable(800, 2, num_fields=2)
    buckets = [int(table.rows_of(shown([1], value_code(0, str(k))).content)[0]) for k in range(300)]
    assert min(buckets) >= 1
    assert max(buckets) < table.num_shared == 100
    assert len(set(buckets)) > 80
    assert int(table.rows_of(shown([1], value_code(1, "of another field")).content)[0]) == 0


def test_an_item_of_two_categories_has_the_same_row_in_any_order() -> None:
    table = IdTable(800, 2, num_fields=1)
    rows = []
    for codes in ([TEA, CUP], [CUP, TEA]):
        both = Content(
            id_M=torch.tensor([1]),
            value_V=torch.tensor(codes),
            item_V=torch.tensor([0, 0]),
            dense_MD=torch.empty(1, 0),
        )
        rows.append(int(table.rows_of(both)[0]))
    assert rows[0] == rows[1]
    assert rows[0] in {int(table.rows_of(shown([1], one).content)[0]) for one in (TEA, CUP)}


def test_a_row_that_is_idle_for_too_long_is_free_again_and_its_id_starts_anew() -> None:
    ids = learner(idle_steps=10)
    ids.observe(shown([7, 7, 8, 8]), 0)
    ids.observe(shown([8]), 10)
    assert owners(ids) == [7, 8]
    ids.observe(shown([9]), 11)
    assert owners(ids) == [8]
    ids.observe(shown([7]), 12)
    assert (owners(ids), ids.waiting[7]) == ([8], 1)


def test_a_full_table_gives_the_row_that_was_idle_longest_and_never_grows() -> None:
    ids = learner(num_rows=4)
    assert len(ids.table.key_E) == 3
    found = []
    for step, of_step in enumerate([[1, 1], [2, 2], [3, 3], [1], [4, 4], [5, 5, 6, 6], [7, 7, 8, 8, 9, 9, 10, 10]]):
        ids.observe(shown(of_step), step)
        found.append(owners(ids))
    assert found == [[1], [1, 2], [1, 2, 3], [1, 2, 3], [1, 3, 4], [4, 5, 6], [7, 8, 9]]
    assert sorted(ids.table.row_E.tolist()) == [1, 2, 3]
    # Shown often enough, and nothing was free.
    ids.observe(shown([10, 10]), 9)
    assert owners(ids) == [8, 9, 10]


def test_a_flood_of_ids_takes_no_more_rows_and_no_more_memory_than_stated() -> None:
    ids = learner(num_rows=16, admission_count=10)
    generator = torch.Generator().manual_seed(0)
    for step in range(30):
        ids.observe(shown([*torch.randint(1 << 60, (50,), generator=generator).tolist(), 7, 7]), step)
        assert len(ids.waiting) <= 14
    assert ids.table.embedding_RW.shape == (16, 2)
    assert owners(ids) == [7]


def test_adagrad_moves_the_rows_that_were_shown_and_no_other() -> None:
    """Two rows of item 7: gradients (1, 3) and (2, 4) add up to (3, 7); the mean square is 29."""
    ids = learner()
    ids.observe(shown([7, 7]), 0)
    row = int(ids.table.row_E[0])
    before = ids.table.embedding_RW.clone()
    batch = shown([7, 7])
    gradient_NW = torch.tensor([[1.0, 3.0], [2.0, 4.0]])
    ids.learn(batch, gradient_NW)
    expected = before.clone()
    expected[row] -= 0.1 * torch.tensor([3.0, 7.0]) / 29**0.5
    torch.testing.assert_close(ids.table.embedding_RW, expected)
    ids.learn(batch, gradient_NW)
    expected[row] -= 0.1 * torch.tensor([3.0, 7.0]) / 58**0.5
    torch.testing.assert_close(ids.table.embedding_RW, expected)
    assert ids.square_R.nonzero().tolist() == [[row]]


def test_rows_learned_before_leave_the_table_as_it_is_also_beside_new_ones() -> None:
    ids = learner()
    ids.observe(shown([7, 7, 8, 8]), 0)
    batch = Batch.concat([shown([7]), shown([7, 8], is_replay=True)])
    before = ids.table.embedding_RW.clone()
    ids.learn(batch, torch.tensor([[1.0, 1.0], [50.0, -50.0], [9.0, 9.0]]))
    place, _ = ids.table.places(torch.tensor([7]))
    before[ids.table.row_E[place]] -= 0.1
    torch.testing.assert_close(ids.table.embedding_RW, before)


def test_a_row_taken_over_does_not_inherit_how_far_its_owner_had_come() -> None:
    ids = learner(num_rows=2)
    ids.observe(shown([1, 1]), 0)
    ids.learn(shown([1]), torch.ones(1, 2))
    ids.observe(shown([2, 2]), 1)
    assert owners(ids) == [2]
    assert ids.square_R.tolist() == [0.0, 0.0]


def test_a_restored_learner_counts_frees_and_learns_as_one_that_went_on() -> None:
    generator = torch.Generator().manual_seed(1)
    batches = [shown(torch.randint(40, (12,), generator=generator).tolist()) for _ in range(60)]

    def work(ids: IdLearner, steps: range) -> None:
        for step in steps:
            ids.observe(batches[step], step)
            ids.learn(batches[step], torch.full((12, 2), 0.1 * step))

    straight, first, resumed = learner(8), learner(8), learner(8)
    work(straight, range(60))
    work(first, range(30))
    resumed.table.load_state_dict(first.table.state_dict())
    resumed.load_state_dict({name: tensor.clone() for name, tensor in first.state_dict().items()})
    work(resumed, range(30, 60))
    for one, other in zip((straight.table, straight), (resumed.table, resumed), strict=True):
        after, expected = other.state_dict(), one.state_dict()
        assert [name for name in expected if not torch.equal(after[name], expected[name])] == []


@pytest.mark.parametrize(("num_rows", "width"), [(1, 2), (8, 0)])
def test_a_table_without_room_is_refused(num_rows: int, width: int) -> None:
    with pytest.raises(ValueError, match=f"an id table of {num_rows} rows of {width}"):
        IdTable(num_rows, width, num_fields=1)
