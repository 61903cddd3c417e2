"""The reserve is real room, and says when there is none."""

import errno
import os

import pytest

from rerund.journal import ballast
from rerund.journal.ballast import Ballast, has_no_room


def refuse(code):
    def raises(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    return raises


def test_it_takes_up_room_until_it_is_released(tmp_path):
    path = tmp_path / "journal.ballast"
    reserve = Ballast(path, 1 << 20)
    assert reserve.restore()
    assert path.stat().st_blocks * 512 >= 1 << 20
    assert reserve.restore()
    reserve.release()
    assert not path.exists()
    reserve.release()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_where_it_does_not_fit_it_takes_nothing(tmp_path, monkeypatch, code):
    path = tmp_path / "journal.ballast"
    monkeypatch.setattr(os, "posix_fallocate", refuse(code))
    assert not Ballast(path, 4096).restore()
    assert path.stat().st_blocks == 0


def test_a_failed_disk_is_not_a_full_one(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "posix_fallocate", refuse(errno.EIO))
    with pytest.raises(OSError, match="Input/output error"):
        Ballast(tmp_path / "journal.ballast", 4096).restore()


@pytest.mark.parametrize(
    ("code", "full"), [(errno.ENOSPC, True), (errno.EDQUOT, True), (errno.EIO, False)]
)
def test_a_small_write_tells_a_quota_from_a_failure(tmp_path, monkeypatch, code, full):
    monkeypatch.setattr(ballast.Path, "write_bytes", refuse(code))
    assert has_no_room(tmp_path) is full


def test_a_small_write_that_fits_leaves_nothing_behind(tmp_path):
    assert not has_no_room(tmp_path)
    assert list(tmp_path.iterdir()) == []
