"""Every command that is sent to a document store is one that DocumentDB has too."""

from functools import partial

import msgspec
import pytest
from pymongo import MongoClient
from pymongo.monitoring import CommandListener

from rerund.stores import mongodb_client
from rerund.stores.mongodb import MongodbRerunStore
from rerund.stores.ports import StoreRejected
from tests.rerund.stores.made import rerun, value

FILTERS = {"find": ["filter"], "update": ["updates", "q"], "delete": ["deletes", "q"]}
OPTIONS = "/?w=1&journal=false&retryWrites=true&readPreference=secondary&readConcernLevel=majority"
"""What does not count: the configuration says where, not how."""
COMMANDS = {"find", "insert", "update", "delete", "createIndexes", "listIndexes", "endSessions"}
OPERATORS = {"$in", "$lt", "$exists"}
INDEX_OPTIONS = {"key", "name", "unique", "sparse"}
WRITES = {"insert", "update", "delete"}


class Listener(CommandListener):
    def __init__(self):
        self.commands = []

    def started(self, event):
        self.commands.append((event.command_name, dict(event.command)))

    def succeeded(self, event):
        pass

    def failed(self, event):
        pass


@pytest.fixture(scope="module")
def commands(servers):
    """What is sent in the life of a store, reads, races and refusals included."""
    listener = Listener()
    with pytest.MonkeyPatch.context() as patch:
        heard = partial(MongoClient, event_listeners=[listener])
        patch.setattr(mongodb_client, "MongoClient", heard)
        settings = servers.secantus.settings()
        store = MongodbRerunStore(msgspec.structs.replace(settings, url=settings.url + OPTIONS))
    store.create_indexes()
    store.check()
    for version, gone in ((2, None), (1, None), (3, 100)):
        store.apply(
            [rerun(n, version, is_active=False, deleted_at=gone) for n in (1, 2)],
            [value(n, version=version, deleted_at=gone) for n in (1, 2)],
        )
        store.reruns(1, [1, 2])
        store.values(1, [1, 2])
    with pytest.raises(StoreRejected):
        store.apply([rerun(4), rerun(5)], [])
    store.purge(200.0)
    store.close()
    return listener.commands


def test_the_commands_are_these(commands):
    assert {name for name, _ in commands} == COMMANDS


def _filters(name, command):
    *path, last = FILTERS[name]
    return [part[last] for step in path for part in command[step]] or [command[last]]


def _operators(part):
    if isinstance(part, dict):
        for key, value in part.items():
            if key.startswith("$"):
                yield key
            yield from _operators(value)
    elif isinstance(part, list):
        for item in part:
            yield from _operators(item)


def test_the_operators_are_these(commands):
    found = {
        operator
        for name, command in commands
        if name in FILTERS
        for part in (*_filters(name, command), command.get("updates", []))
        for operator in _operators(part)
    }
    assert found == OPERATORS


def test_every_filter_names_the_lab_but_that_of_the_old_tombstones(commands):
    for name, command in commands:
        for part in _filters(name, command) if name in FILTERS else ():
            assert ("lab_id" in part) != (name == "delete" and list(part) == ["deleted_at"])


def test_what_is_asked_for_is_what_an_index_begins_with(commands):
    keys = {
        (name, *part)
        for name, command in commands
        if name in ("find", "update")
        for part in _filters(name, command)
    }
    assert keys == {
        ("find", "lab_id", "lab_report_id"),
        ("update", "_id", "lab_id", "version"),
    }


def test_old_tombstones_are_asked_for_as_documentdb_wants_it_of_a_sparse_index(commands):
    deletes = [
        part for name, command in commands if name == "delete" for part in command["deletes"]
    ]
    assert [part["q"] for part in deletes] == [{"deleted_at": {"$exists": True, "$lt": 200.0}}] * 2


def test_every_document_that_is_written_names_its_lab(commands):
    written = [
        document
        for name, command in commands
        for document in (
            command.get("documents", ())
            if name == "insert"
            else [update["u"] for update in command.get("updates", ())]
        )
    ]
    assert written
    assert all(document["lab_id"] == 1 for document in written)


def test_nothing_is_updated_that_was_not_there_and_nothing_many_times(commands):
    updates = [update for _, command in commands for update in command.get("updates", ())]
    assert updates
    assert not any(update.get("upsert") or update.get("multi") for update in updates)


def test_every_write_is_confirmed_by_a_majority_that_has_it_in_the_journal(commands):
    for name, command in commands:
        if name in WRITES:
            assert command["writeConcern"] == {"w": "majority", "j": True}
            assert "txnNumber" not in command  # neither a retried write nor a transaction


def test_every_read_is_the_primary_s(commands):
    for name, command in commands:
        if name == "find":
            assert command.get("$readPreference", {"mode": "primary"})["mode"] == "primary"
            assert command.get("readConcern", {"level": "local"})["level"] == "local"


def test_indexes_have_ordinary_options_and_unique_ones_begin_with_the_lab(commands):
    made = [index for _, command in commands for index in command.get("indexes", ())]
    assert made
    for index in made:
        assert set(index) <= INDEX_OPTIONS
        assert all(direction == 1 for direction in index["key"].values())
        assert not index["unique"] or next(iter(index["key"])) == "lab_id"
