"""Answers and actions of a user, as the ranker reads them."""

from streams.features.answers import Answers
from streams.features.user_history import capture_history
from streams.features.user_state import MAX_ANSWERS, UserState
from tests.features.sample_shop import CLICK, NOW_MS, VIEW


def test_answers_come_oldest_first_with_what_was_known_when_they_were_shown() -> None:
    user = UserState("u")
    user.add_answers(Answers("s0", "home", NOW_MS, [3, 1], [0, 0], [-2.5, -3.0]))
    user.add_answers(Answers("s1", "home", NOW_MS, [2], [0], [-1.0]))
    user.answer("s0", 1, 1)
    user.answer("s1", 2, -1)
    found = capture_history(user, NOW_MS)
    assert found.answer_A.tolist() == [3, 1, 2]
    assert found.answer_y_A.tolist() == [0, 1, -1]
    assert found.answer_logit_A.tolist() == [-2.5, -3.0, -1.0]


def test_of_a_slate_longer_than_what_is_remembered_the_last_answers_count() -> None:
    user = UserState("u")
    user.add_answers(Answers("long", "home", NOW_MS, list(range(300)), [0] * 300, [0.0] * 300))
    assert capture_history(user, NOW_MS).answer_A.tolist() == list(range(300 - MAX_ANSWERS, 300))


def test_actions_have_an_age_and_one_that_seems_to_come_later_has_none() -> None:
    user = UserState("u")
    user.add_action(7, VIEW, NOW_MS - 2500)
    user.add_action(8, CLICK, NOW_MS + 10)
    found = capture_history(user, NOW_MS)
    columns = found.action_H.tolist(), found.action_kind_H.tolist(), found.action_age_s_H.tolist()
    assert columns == ([7, 8], [VIEW, CLICK], [2.5, 0.0])


def test_of_a_new_user_nothing_is_known() -> None:
    found = capture_history(UserState("u"), NOW_MS)
    assert [len(column) for column in (found.answer_A, found.answer_logit_A, found.action_H)] == [0, 0, 0]
