import pytest

from rerund.transports.url import (
    ConnectUrl,
    ListenUrl,
    SerialUrl,
    conflicts,
    normal_address,
    parse_url,
)

READ = [
    ("listen://0.0.0.0:5001", ListenUrl("0.0.0.0", 5001)),
    ("listen://localhost:0", ListenUrl("localhost", 0)),
    ("listen://[::]:5001", ListenUrl("::", 5001)),
    (
        "listen://0.0.0.0:5001?peer=10.0.0.7,%20::ffff:10.0.0.8",
        ListenUrl("0.0.0.0", 5001, frozenset({"10.0.0.7", "10.0.0.8"})),
    ),
    ("connect://10.0.0.7:5001", ConnectUrl("10.0.0.7", 5001)),
    ("connect://analyzer.lab:5001/", ConnectUrl("analyzer.lab", 5001)),
    ("serial:///dev/ttyUSB0", SerialUrl("/dev/ttyUSB0")),
    (
        "serial:///dev/serial/by-id/usb-1?baud=19200&bits=7&parity=e&stop=2&flow=xonxoff",
        SerialUrl("/dev/serial/by-id/usb-1", 19200, 7, "E", 2, "xonxoff"),
    ),
    ("serial:///dev/ttyS0?stop=1.5&flow=rtscts", SerialUrl("/dev/ttyS0", stop=1.5, flow="rtscts")),
]


@pytest.mark.parametrize(("text", "url"), READ, ids=[text for text, _ in READ])
def test_an_address_is_read_into_its_parts(text, url):
    assert parse_url(text) == url


@pytest.mark.parametrize("url", [url for _, url in READ], ids=str)
def test_an_address_survives_being_written_and_read(url):
    assert parse_url(str(url)) == url


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("tcp://10.0.0.7:5001", "expected listen://, connect:// or serial://"),
        ("10.0.0.7:5001", "expected listen://, connect:// or serial://"),
        ("", "unknown scheme"),
        ("listen://0.0.0.0", "needs a host and a port"),
        ("listen://:5001", "needs a host and a port"),
        ("listen://0.0.0.0:70000", "from 0 to 65535"),
        ("listen://0.0.0.0:port", "needs a host and a port"),
        ("connect://10.0.0.7:0", "from 1 to 65535"),
        ("connect://10.0.0.7:5001/path", "more than a host and a port"),
        ("connect://user@10.0.0.7:5001", "more than a host and a port"),
        ("connect://10.0.0.7:5001?peer=10.0.0.7", "unknown parameter 'peer' of a connect link"),
        ("listen://0.0.0.0:5001?from=10.0.0.7", "unknown parameter 'from'.*expected peer"),
        ("listen://0.0.0.0:5001?peer=analyzer", "peer 'analyzer' is not an IP address"),
        ("listen://0.0.0.0:5001?peer=", "peer '' is not an IP address"),
        ("listen://0.0.0.0:5001?peer=10.0.0.7&peer=10.0.0.8", "'peer' is given twice"),
        ("serial://ttyUSB0", "three slashes"),
        ("serial://", "needs the path of a port"),
        ("serial:///dev/", "needs the path of a port"),
        ("serial:///dev/ttyUSB#0", "unexpected #0"),
        ("serial:///dev/ttyUSB0?speed=9600", "unknown parameter 'speed'.*baud"),
        ("serial:///dev/ttyUSB0?baud=fast", "baud is 'fast'; expected a whole number"),
        ("serial:///dev/ttyUSB0?baud=0", "baud is '0'"),
        ("serial:///dev/ttyUSB0?bits=9", "bits is '9'; expected 5, 6, 7, 8"),
        ("serial:///dev/ttyUSB0?parity=X", "parity is 'X'; expected N, E, O, M, S"),
        ("serial:///dev/ttyUSB0?stop=3", "stop is '3'; expected 1, 1.5, 2"),
        ("serial:///dev/ttyUSB0?flow=dtr", "flow is 'dtr'; expected none, rtscts, xonxoff"),
    ],
)
def test_a_bad_address_is_refused_with_what_was_expected(text, says):
    with pytest.raises(ValueError, match=says):
        parse_url(text)


@pytest.mark.parametrize(
    ("shown", "normal"),
    [
        ("10.0.0.7", "10.0.0.7"),
        ("::ffff:10.0.0.7", "10.0.0.7"),
        ("fe80::1%eth0", "fe80::1"),
        ("2001:DB8::0:1", "2001:db8::1"),
    ],
)
def test_a_peer_address_has_one_form(shown, normal):
    assert normal_address(shown) == normal


@pytest.mark.parametrize(
    "links",
    [
        ("listen://0.0.0.0:5001", "listen://0.0.0.0:5002"),
        ("listen://0.0.0.0:0", "listen://0.0.0.0:0"),
        ("listen://0.0.0.0:5001?peer=10.0.0.7", "listen://0.0.0.0:5001?peer=10.0.0.8"),
        ("serial:///dev/ttyS0", "serial:///dev/ttyS1"),
        ("connect://10.0.0.7:5001", "connect://10.0.0.7:5002"),
    ],
)
def test_links_that_can_be_told_apart_live_side_by_side(links):
    assert conflicts({str(n): parse_url(link) for n, link in enumerate(links)}) == []


@pytest.mark.parametrize(
    ("links", "problems"),
    [
        (
            ("listen://0.0.0.0:5001", "listen://0.0.0.0:5001?peer=10.0.0.7"),
            [("0", "listen://0.0.0.0:5001 is shared; add ?peer=ADDRESS")],
        ),
        (
            ("listen://0.0.0.0:1?peer=10.0.0.7", "listen://0.0.0.0:1?peer=10.0.0.8,10.0.0.7"),
            [("1", "peer 10.0.0.7 is already that of instrument '0'")],
        ),
        (
            ("serial:///dev/ttyS0", "serial:///dev/ttyS0?baud=1200"),
            [("1", "/dev/ttyS0 is already that of instrument '0'")],
        ),
        (
            ("connect://10.0.0.7:1", "connect://10.0.0.7:1", "connect://10.0.0.7:1"),
            [
                ("1", "connect://10.0.0.7:1 is already that of instrument '0'"),
                ("2", "connect://10.0.0.7:1 is already that of instrument '0'"),
            ],
        ),
    ],
)
def test_links_that_can_not_be_told_apart_are_named(links, problems):
    assert conflicts({str(n): parse_url(link) for n, link in enumerate(links)}) == problems
