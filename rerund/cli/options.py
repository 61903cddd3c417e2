"""Options that several commands share, and what they open."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rerund import config as configuration
from rerund.cli.exits import UNAVAILABLE, fail, fail_with

if TYPE_CHECKING:
    from rerund.journal.reader import JournalReader
    from rerund.rerun.service import RerunService
    from rerund.stores.opening import OpenStores

CONFIG_DEFAULT = configuration.DEFAULT_PATH

ConfigOption = Annotated[
    Path,
    typer.Option("-c", "--config", metavar="FILE", help="The daemon's configuration file."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def load_config(path: Path) -> configuration.Config:
    """Read the configuration, or print its problems and exit 78."""
    try:
        return configuration.load(path)
    except configuration.ConfigError as error:
        fail_with(error.problems)


# What follows imports when it is called: SQLAlchemy takes longer than most commands run.


@contextmanager
def opened_stores(config: configuration.Config) -> Iterator["OpenStores"]:
    """Open the configured stores beside a daemon, or exit 69."""
    from rerund.stores.opening import open_stores
    from rerund.stores.ports import StoreError

    try:
        with open_stores(config.stores) as stores:
            yield stores
    except StoreError as error:
        fail(str(error), UNAVAILABLE)
    except OSError as error:
        fail(f"{config.stores.path}: {error.strerror}", UNAVAILABLE)


@contextmanager
def opened_service(path: Path) -> Iterator[tuple["RerunService", int]]:
    """Open the rerun service on the configured stores; yields it and the lab's id."""
    from rerund.configured_rules import rules_of
    from rerund.rerun.service import RerunService

    config = load_config(path)
    with opened_stores(config) as opened:
        service = RerunService(opened.stores, rules_of(config))
        yield service, config.file.daemon.lab_id


@contextmanager
def opened_journal(path: Path) -> Iterator["JournalReader"]:
    """Open the journal for reading beside a daemon, or exit 69."""
    from rerund.journal.errors import JournalError
    from rerund.journal.reader import JournalReader

    config = load_config(path)
    try:
        with JournalReader(config.journal_path) as reader:
            yield reader
    except JournalError as error:
        fail(str(error), UNAVAILABLE)
