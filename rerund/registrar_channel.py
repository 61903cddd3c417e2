"""What the daemon and its registrar process say to each other: tagged msgpack structs."""

import msgspec

from rerund.child_line import packed
from rerund.journal.rows import Mark
from rerund.logs import LogFormat, LogLevel
from rerund.rerun.model import KnownRun, OpenRerun
from rerund.rerun.orders import LocalOrder, OrderKey
from rerund.rerun.rules import Rules
from rerund.stores.ports import Lease
from rerund.stores.settings import StoreSettings


class Start(msgspec.Struct, tag=True, frozen=True):
    """To the registrar, first of all: what it works on. `poll_interval` is seconds.

    `owner` is who takes the leases of `devices` (names by id). `unknown` are the instruments
    whose history is not whole: the ledger is asked for it.
    """

    journal_path: str
    stores: StoreSettings
    lab_id: int
    owner: str
    devices: dict[str, str]
    unknown: list[str]
    rules: Rules
    poll_interval: float
    log_format: LogFormat
    log_level: LogLevel


class Wake(msgspec.Struct, tag=True, frozen=True):
    """To the registrar: there are new payloads."""


class LookUp(msgspec.Struct, tag=True, frozen=True):
    """To the registrar: what is open of these samples at this moment? Answered by LookedUp.

    `within` are the seconds that the asker waits.
    """

    ticket: int
    sample_ids: list[str]
    within: float


class Stop(msgspec.Struct, tag=True, frozen=True):
    """To the registrar: the daemon ends, and what follows is the end of the line.

    A line that ends without it was left by a crash: the leases stay until they expire.
    """


class Marked(msgspec.Struct, tag=True, frozen=True):
    """To the registrar: its marks are on disk, or why they are not."""

    ticket: int
    error: str | None = None


class Marks(msgspec.Struct, tag=True, frozen=True):
    """To the daemon: delivery states to commit. Answered by Marked."""

    ticket: int
    marks: list[Mark]


class WaitingCopy(msgspec.Struct, tag=True, frozen=True):
    """To the daemon: the waiting list as it is in the stores at `refreshed_at`."""

    rows: list[OpenRerun]
    refreshed_at: str


class OrdersChanged(msgspec.Struct, tag=True, frozen=True):
    """To the daemon: what has changed in the open orders; without a change they are as they were.

    `whole` begins a new copy: what is not in it is gone. `cancelled` are those among the `gone`
    that instruments should not measure any more. One change may come in parts: what the parts
    say is the state of the stores once the `last` one is there.
    """

    orders: list[LocalOrder]
    gone: list[OrderKey]
    cancelled: list[OrderKey]
    whole: bool = False
    last: bool = True


class LookedUp(msgspec.Struct, tag=True, frozen=True):
    """To the daemon: the open orders of the samples asked for; None when no store says."""

    ticket: int
    orders: list[LocalOrder] | None


class NotesTold(msgspec.Struct, tag=True, frozen=True):
    """To the daemon: notes of orders that the stores now have."""

    note_keys: list[int]


class Earlier(msgspec.Struct, tag=True, frozen=True):
    """To the daemon: (sample id, run) pairs that the ledger has of an instrument.

    In parts, so that none keeps the daemon from answering an instrument.
    """

    device_id: str
    runs: list[tuple[str, KnownRun]]
    last: bool


class Leases(msgspec.Struct, tag=True, frozen=True):
    """To the daemon: instruments that it now may, or may not, receive from."""

    leases: list[Lease]


ToRegistrar = Start | Wake | Marked | LookUp | Stop
ToDaemon = Marks | WaitingCopy | OrdersChanged | LookedUp | NotesTold | Earlier | Leases

_encode = msgspec.msgpack.Encoder().encode
decode_for_registrar = msgspec.msgpack.Decoder(ToRegistrar).decode
decode_for_daemon = msgspec.msgpack.Decoder(ToDaemon).decode


def encode(message: ToRegistrar | ToDaemon) -> bytes:
    """Return a message with its length before it."""
    return packed(_encode(message))
