"""An order desk on a real journal, and what the stores say to it."""

import asyncio

from drivers.result import HostQuery
from rerund.arrivals import Arrivals
from rerund.config import load
from rerund.order_book import OrderBook, unpack_note
from rerund.order_copy import OrderCopy
from rerund.order_desk import OrderDesk

CONFIG = """
[[instrument]]
id = "42"
name = "Analyzer"
driver = "{driver}"
link = "listen://127.0.0.1:0"
orders = "{orders}"
"""
MAX_AGE = 60.0
PATIENCE = 3600.0


class Stores:
    """What the stores say to a look-up: the orders that are open, or nothing."""

    def __init__(self):
        self.open = []
        self.away = False
        self.asked = []
        self.answering = asyncio.Event()
        """Cleared, a look-up takes its time."""
        self.answering.set()

    async def look_up(self, sample_ids):
        self.asked.append(list(sample_ids))
        await self.answering.wait()
        if self.away:
            return None
        return [one for one in self.open if one.sample_id in sample_ids]


class DeskBench:
    """An order desk with a copy, a book on a journal, and stores to look up.

    The copy is on disk with `orders`. Everything goes together as the rear of a daemon does it.
    """

    def __init__(self, folder, journal, orders=()):
        self._folder = folder
        self._journal = journal
        self.stores = Stores()
        self.copy = OrderCopy(orders)
        self.copy.on_change = self._changed
        self.arrivals = Arrivals()
        with journal.read() as reader:
            notes = [unpack_note(body) for _, body in reader.notes("")]
            self.book = OrderBook(journal.journal, notes, reader.last_note(), lambda: None)
        self.desk = self.make()

    def make(self, driver="generic-astm", orders="auto", more="", patience=PATIENCE):
        path = self._folder / "rerund.toml"
        path.write_text(CONFIG.format(driver=driver, orders=orders) + more)
        (instrument,) = load(path).instruments
        self.desk = OrderDesk(
            instrument,
            self.copy,
            self.book,
            self.arrivals,
            self.stores.look_up,
            MAX_AGE,
            patience,
        )
        self.desk.is_held = True
        return self.desk

    def put(self, *orders):
        """Have orders in the stores and in the copy, and no others."""
        self.stores.open = list(orders)
        self.copy.change(orders, [], whole=True)

    def cancel(self, *keys):
        """Have rows cancelled."""
        self.book.cancel(keys)
        self.copy.change([], keys, whole=False)

    def _changed(self, orders, gone):
        self.book.seen(orders, gone)
        self.desk.consider(orders)

    async def finds(self, *sample_ids, entry=0, **query):
        """Ask for samples; returns (sample, number, codes) of each order, and what is missing."""
        found = await self.desk.find(entry, [HostQuery(1, sample_ids, **query)])
        if found is None:
            return None
        return [(o.sample_id, o.rerun_number, o.codes) for o in found.orders], found.missing

    async def notes(self):
        """Return (report, status, reason) of each note that is on disk."""
        await self._journal.flush()
        with self._journal.read() as reader:
            notes = [unpack_note(body) for _, body in reader.notes("")]
        return [(note.lab_report_id, note.status, note.reason) for note in notes]
