"""Instants and JSON in columns."""

import pytest
from sqlalchemy.dialects import mysql, sqlite
from sqlalchemy.schema import CreateColumn

from drivers.result import Result
from rerund.stores.schema import device_results, report_format
from rerund.stores.types import (
    Instant,
    Json,
    RunTime,
    StoredResult,
    instant_to_column,
    whole_instant,
)
from tests.rerund.stores.made import result

SQLITE = sqlite.dialect()
STAMP = "CURRENT_TIMESTAMP(6)"


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("2026-05-20T09:00:00Z", "2026-05-20 09:00:00.000000"),
        ("2026-05-20T09:00:00.123Z", "2026-05-20 09:00:00.123000"),
        ("2026-05-20T01:30:00+02:00", "2026-05-19 23:30:00.000000"),
        ("2026-05-20", "2026-05-20 00:00:00.000000"),
    ],
)
def test_an_instant_is_sortable_utc_text(text, column):
    assert instant_to_column(text) == column


@pytest.mark.parametrize(
    ("column", "instant", "run_time"),
    [
        ("2026-05-20 09:00:00.000000", "2026-05-20T09:00:00.000Z", "2026-05-20T09:00:00Z"),
        ("2026-05-20 09:00:00.120000", "2026-05-20T09:00:00.120Z", "2026-05-20T09:00:00.120Z"),
        ("2026-05-20 09:00:00.123456", "2026-05-20T09:00:00.123456Z", None),
        ("2026-05-20 09:00:00", "2026-05-20T09:00:00.000Z", "2026-05-20T09:00:00Z"),
    ],
)
def test_an_instant_is_read_as_iso_8601(column, instant, run_time):
    assert whole_instant(column) == instant
    assert Instant().process_result_value(column, SQLITE) == instant
    assert RunTime().process_result_value(column, SQLITE) == (run_time or instant)


@pytest.mark.parametrize("kind", [Instant(), RunTime(), Json(list[int]), StoredResult()])
def test_null_stays_null(kind):
    assert kind.process_bind_param(None, SQLITE) is None
    assert kind.process_result_value(None, SQLITE) is None


def test_null_may_stand_for_something_empty():
    column = Json(list[int], empty="[]")
    first = column.process_result_value(None, SQLITE)
    assert first == []
    assert column.process_result_value(None, SQLITE) is not first


def test_json_of_another_shape_is_an_error():
    with pytest.raises(ValueError, match="Expected `int`"):
        Json(list[int]).process_result_value('["one"]', SQLITE)


@pytest.mark.parametrize(
    ("column", "said"),
    [
        (device_results.c.received_at, "received_at DATETIME(6) NOT NULL"),
        (device_results.c.result, "result LONGTEXT NOT NULL"),
        (
            report_format.c.updated_at,
            f"updated_at DATETIME(6) NOT NULL DEFAULT {STAMP} ON UPDATE {STAMP}",
        ),
    ],
    ids=str,
)
def test_columns_in_the_words_of_a_server(column, said):
    assert str(CreateColumn(column).compile(dialect=mysql.dialect())) == said


def test_a_result_is_kept_without_what_it_does_not_say():
    plain = Result(result_id="j-1-1-1", test_code="WBC", value="12.5")
    text = StoredResult().process_bind_param(plain, SQLITE)
    assert text == '{"result_id":"j-1-1-1","test_code":"WBC","value":"12.5"}'
    for kept in (plain, result()):
        text = StoredResult().process_bind_param(kept, SQLITE)
        assert StoredResult().process_result_value(text, SQLITE) == kept
