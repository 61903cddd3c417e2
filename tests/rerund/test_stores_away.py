"""Stores that are away when a daemon starts, and while it runs."""

import threading

import pytest
from structlog.testing import capture_logs

from rerund.stores.opening import open_stores
from rerund.stores.ports import StoreUnavailable
from rerund.stores.settings import StoreSettings
from rerund.stores.versions import StoreVersionError
from rerund.stores_away import StoresAway, opened_when_there

PLACES = {"reports": "db.lab:3306"}


@pytest.fixture
def opener(tmp_path):
    """Opens stores in a file once the given errors are used up."""

    def made(*errors):
        left = list(errors)

        def open_them():
            if left:
                raise left.pop(0)
            return open_stores(StoreSettings(path=str(tmp_path / "store.db")))

        return open_them

    return made


def opened(open_them, gone=None):
    return opened_when_there(open_them, PLACES, gone or threading.Event(), first_retry=0.001)


def test_stores_that_are_there_are_opened_without_a_word(opener):
    with capture_logs() as logs, opened(opener()) as stores:
        assert stores.stores.reports.now()
    assert logs == []


def test_an_outage_at_the_start_is_one_alert_and_one_line_when_it_is_over(opener):
    away = StoreUnavailable("report store", "2003 can not connect")
    with capture_logs() as logs, opened(opener(away, away, away)) as stores:
        assert stores.stores.reports.now()
    unusable, back = logs
    assert (unusable["event"], unusable["alert"]) == ("store_unusable", True)
    assert unusable["reason"] == "report store is not available: 2003 can not connect"
    assert unusable["reports"] == "db.lab:3306"
    assert back["event"] == "stores_back"


def test_another_reason_is_told_too(opener):
    errors = [StoreUnavailable("report store", why) for why in ("2003", "2003", "1045", "1045")]
    with capture_logs() as logs, opened(opener(*errors)):
        pass
    assert [line["event"] for line in logs] == ["store_unusable", "store_unusable", "stores_back"]


def test_another_version_is_not_waited_for(opener):
    with pytest.raises(StoreVersionError):
        opened(opener(StoreVersionError("report store", "of tomorrow")))


def test_the_trying_ends_with_the_daemon():
    gone = threading.Event()

    def open_them():
        gone.set()
        raise StoreUnavailable("report store")

    assert opened(open_them, gone) is None


def test_a_second_outage_is_told_again():
    told = []
    away = StoresAway(told.append)
    with capture_logs() as logs:
        for _ in range(2):
            away.failed(StoreUnavailable("report store"))
            assert away
            away.worked()
            assert not away
    assert told == ["report store is not available"] * 2
    assert [line["event"] for line in logs] == ["stores_back"] * 2
