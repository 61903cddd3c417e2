"""The bounded dictionary behind the columns."""

from drivers import memo


def test_a_key_is_worked_out_once_and_memory_stays_bounded() -> None:
    worked_out: list[int] = []

    def double(key: int) -> int:
        worked_out.append(key)
        return 2 * key

    doubles = memo.Memo(double)
    assert [doubles[3], doubles[3], doubles[4]] == [6, 6, 8]
    assert worked_out == [3, 4]
    for key in range(3 * memo.LIMIT):
        assert doubles[key] == 2 * key
        assert len(doubles) <= memo.LIMIT
