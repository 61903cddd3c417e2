"""How much noise a link may leave behind."""

from rerund.journal.rejects import HOUR, RejectBudget


def test_each_link_has_so_many_rows_an_hour():
    budget = RejectBudget(rows=2)
    assert [budget.take("a", 1, 0.0) for _ in range(3)] == [True, True, False]
    assert budget.take("b", 1, 0.0)
    assert budget.spent("a")
    assert not budget.spent("b")


def test_each_link_has_so_many_bytes_an_hour():
    budget = RejectBudget(size=10)
    assert [budget.take("a", 6, 0.0) for _ in range(3)] == [True, True, False]


def test_the_hour_begins_with_the_first_noise_and_then_anew():
    budget = RejectBudget(rows=1)
    at = (0.0, HOUR - 1, HOUR, HOUR + 1, 2 * HOUR)
    assert [budget.take("a", 1, now) for now in at] == [True, False, True, False, True]
