from protocols.errors import Reason, RemoteProtocolError


def test_a_remote_error_says_where_and_what():
    error = RemoteProtocolError(Reason.BAD_CHECKSUM, position=7, expected="D4", got="D5")
    assert str(error) == "bad_checksum at byte 7: expected D4, got D5"
    assert str(RemoteProtocolError(Reason.LINE_ERROR)) == "line_error at byte 0"
    assert error.reason is Reason.BAD_CHECKSUM
