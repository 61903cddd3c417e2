from protocols.stream import Stream


def test_bytes_come_out_in_the_order_they_went_in():
    stream = Stream()
    stream.feed(b"abc")
    stream.feed(b"def")
    assert len(stream) == 6
    assert stream.take(4) == b"abcd"
    assert stream.take_all() == b"ef"
    assert stream.take(3) == b""
    assert len(stream) == 0


def test_a_pause_lasts_until_more_comes():
    stream = Stream()
    stream.pause()
    assert stream.paused
    stream.feed(b"")
    assert not stream.paused
