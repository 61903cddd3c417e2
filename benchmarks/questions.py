"""Host queries: how long an instrument waits for its orders while 10,000 are open."""

import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.asking import Analyzer, AstmAnalyzer, Hl7Analyzer
from benchmarks.backlog import LAB
from benchmarks.measure import Row, percentile, row
from benchmarks.samples import one_frame
from benchmarks.server import DaemonUnderTest, Generator, instrument
from rerund.journal.reader import JournalReader
from rerund.rerun.instants import iso
from rerund.rerun.records import Device, LabData, Mapping, Parameter, ReportFormat
from rerund.stores.lab_tables import Order
from rerund.stores.opening import open_stores
from rerund.stores.settings import StoreSettings

ORDERS, TESTS = 10_000, 12
ROUNDS, QUESTIONS = 3, 200
"""Rounds, and samples asked for in each."""

RATE = 20.0
"""Messages a second from other instruments, each of 41 results: fifty busy analyzers."""

ASTM, HL7, SENDER = "astm", "hl7", "sender"
DRIVERS = {ASTM: "generic-astm", HL7: "mindray-bs", SENDER: "sysmex-xn"}
FORMAT = 1
CODES = [f"T{number:02}" for number in range(1, TESTS + 1)]


class _Samples:
    """Samples that nobody asked for yet, with an order and without."""

    def __init__(self) -> None:
        # In no order that any index has.
        self.ordered = (_sample(number * 7919 % ORDERS) for number in range(ORDERS))
        self.unknown = (f"U{number:07}" for number in range(ORDERS))


def rows() -> Iterator[Row]:
    """Yield the rows of the embedded store."""
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as opened:
        directory = Path(scratch)
        message = directory / "one.astm"
        message.write_bytes(one_frame())
        generator = Generator(directory)
        _register(directory)
        instruments = "".join(instrument(driver, name) for name, driver in DRIVERS.items())
        daemon = opened.enter_context(DaemonUnderTest(directory, instruments, pinned=False))
        _wait_for_copy(directory)
        ports = dict(zip(DRIVERS, daemon.ports, strict=True))
        analyzers = {
            "ASTM": opened.enter_context(AstmAnalyzer(ports[ASTM])),
            "HL7": opened.enter_context(Hl7Analyzer(ports[HL7])),
        }
        samples = _Samples()
        for protocol, analyzer in analyzers.items():
            yield from _asked(f"{protocol} query, {ORDERS:,} orders open", analyzer, samples)
        with _flowing(generator, ports[SENDER], message):
            for protocol, analyzer in analyzers.items():
                what = f"{protocol} query, {ORDERS:,} orders open, {RATE:g} messages/s coming in"
                yield from _asked(what, analyzer, samples)


def _asked(what: str, analyzer: Analyzer, samples: _Samples) -> Iterator[Row]:
    begun: list[float] = []
    complete: list[float] = []
    without: list[float] = []
    for _ in range(ROUNDS):
        answers = [analyzer.asks(next(samples.ordered)) for _ in range(QUESTIONS)]
        if not all(answer.text.count(code) for answer in answers for code in _WIRE_CODES):
            raise RuntimeError("an answer does not bring what was ordered")
        begun.append(percentile([answer.begun for answer in answers], 0.99))
        complete.append(percentile([answer.complete for answer in answers], 0.99))
        empty = [analyzer.asks(next(samples.unknown)) for _ in range(QUESTIONS)]
        if any(answer.text.count(_WIRE_CODES[0]) for answer in empty):
            raise RuntimeError("an answer brings what nobody ordered")
        without.append(percentile([answer.complete for answer in empty], 0.99))
    yield row(f"{what}: p99 to {analyzer.begins}", begun, "ms")
    yield row(f"{what}: p99 to the end of the answer", complete, "ms", ceiling=20.0)
    # Looked up in the stores by the registrar, which gives way to whatever else wants the cores.
    yield row(f"{what}: the same of a sample without an order", without, "ms")


_WIRE_CODES = [code.encode() for code in CODES]


@contextmanager
def _flowing(generator: Generator, port: int, message: Path) -> Iterator[None]:
    """Let other instruments send results until the questions are answered."""
    ended = threading.Event()

    def flow() -> None:
        while not ended.is_set():
            generator.run(port, message, rate=RATE)

    thread = threading.Thread(target=flow)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _register(directory: Path) -> None:
    """Register the orders as a LIMS would, each of a sample of its own."""
    parameters = tuple(Parameter(index, index, code, "") for index, code in enumerate(CODES, 1))
    lab = LabData(
        LAB,
        (ReportFormat(FORMAT, LAB, "Chemistry", parameters),),
        tuple(Device(name, LAB, name) for name in DRIVERS),
        tuple(
            Mapping(name, code, FORMAT, index, code)
            for name in (ASTM, HL7)
            for index, code in enumerate(CODES, 1)
        ),
    )
    now = iso(time.time())
    orders = [
        Order(
            sample_id=_sample(n),
            report_format_id=FORMAT,
            lab_report_id=n + 1,
            registered_at=now,
            patient_name="Doe^Jane",
            sex="F",
        )
        for n in range(ORDERS)
    ]
    with open_stores(StoreSettings(str(directory / "store.db"))) as stores:
        stores.lab.write(lab, orders)


def _wait_for_copy(directory: Path) -> None:
    with JournalReader(directory / "journal.db") as reader:
        while len(reader.orders()) < ORDERS:
            time.sleep(0.1)


def _sample(number: int) -> str:
    return f"Q{number:07}"
