"""Configuration: one TOML file, every key with a default but the instruments.

The only code that reads configuration files and the environment. Every problem is
found at once and has a file, a line and a key.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, ValidationError

from drivers.profile import AnyProfile, ProfileError
from drivers.profile import load as load_profile
from drivers.tomlfile import Problem, TomlError, TomlFile, from_validation_error
from protocols.astm.dialect import Dialect as AstmDialect
from protocols.hl7.dialect import Dialect as Hl7Dialect
from rerund.config_http import HttpSection, http_problems
from rerund.config_reading import Reading
from rerund.config_section import FilePath, Seconds, Section
from rerund.config_stores import StoreSection, store_problems, store_settings
from rerund.logs import LogFormat, LogLevel
from rerund.stores.settings import StoreSettings
from rerund.transports.url import LinkUrl, conflicts, parse_url

DEFAULT_PATH = Path("/etc/rerund/rerund.toml")


class ConfigError(Exception):
    """The configuration can not be used. `problems` holds all that was found."""

    def __init__(self, problems: list[Problem]):
        super().__init__(problems)
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError(f"unknown time zone {name!r}; expected one like Europe/Rome") from None
    return name


def _link(url: str) -> str:
    parse_url(url)
    return url


ZoneName = Annotated[str, AfterValidator(_zone)]
LinkText = Annotated[str, AfterValidator(_link)]


class DaemonSection(Section):
    """`[daemon]`: where it lives and how it speaks."""

    state_dir: FilePath = Path("/var/lib/rerund")
    lab_id: int = Field(default=1, ge=1)
    drivers_dir: FilePath | None = None
    timezone: ZoneName | None = None
    log_format: LogFormat = "auto"
    log_level: LogLevel = "info"
    stop_timeout: Seconds = 10.0


class JournalSection(Section):
    """`[journal]`: how long and how much the journal keeps."""

    keep_days: float = Field(default=90.0, gt=0)
    max_megabytes: int = Field(default=20_000, ge=100)
    ballast_megabytes: int = Field(default=16, ge=1)
    prune_interval: Seconds = 3600.0


class RerunSection(Section):
    """`[rerun]`: the windows of the rerun decision, in seconds."""

    history_window: Seconds = 72 * 3600.0
    resend_window: Seconds = 60.0
    run_window: Seconds = 600.0
    clock_tolerance: Seconds = 300.0
    resume_window: Seconds = 900.0
    late_order_window: Seconds = 72 * 3600.0
    sample_id_window: Seconds = 14 * 86400.0
    auto_rerun_max_age: Seconds = 2 * 3600.0
    rerun_overdue: Seconds = 4 * 3600.0


class OrdersSection(Section):
    """`[orders]`: how instruments that ask are answered, in seconds."""

    copy_max_age: Seconds = 60.0
    look_up_timeout: Seconds = 3.0


class InstrumentSection(Section):
    """`[[instrument]]`: one bench analyzer and its link."""

    id: str = Field(min_length=1, max_length=64)
    name: str = Field(min_length=1, max_length=128)
    driver: str
    link: LinkText
    timezone: ZoneName | None = None
    connections: Literal["allow", "newest_wins", "refuse"] = "allow"
    parallel: Literal["flag", "keep"] = "flag"
    orders_link: LinkText | None = None
    orders: Literal["auto", "answer", "push", "off"] = "auto"
    dialect: dict[str, Any] = Field(default_factory=dict)


class ConfigFile(Section):
    """The whole file."""

    daemon: DaemonSection = DaemonSection()
    journal: JournalSection = JournalSection()
    rerun: RerunSection = RerunSection()
    orders: OrdersSection = OrdersSection()
    store: StoreSection = StoreSection()
    http: HttpSection | None = None
    instrument: list[InstrumentSection] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class Instrument:
    """One instrument with everything resolved: its profile and dialect, link and clock."""

    section: InstrumentSection
    url: LinkUrl
    orders_url: LinkUrl | None
    profile: AnyProfile
    timezone: dt.tzinfo

    @property
    def device_id(self) -> str:
        """The id under which payloads and stores know it."""
        return self.section.id

    @property
    def order_uses(self) -> tuple[str, ...]:
        """How orders can reach it by its profile and link: query, push, cancel."""
        return _order_uses(self.profile)

    @property
    def dialect(self) -> AstmDialect | Hl7Dialect:
        """The switches of this instrument's link and messages, by its protocol."""
        return self.profile.dialect


@dataclass(frozen=True, slots=True)
class Config:
    """A configuration that can be run."""

    file: ConfigFile
    instruments: tuple[Instrument, ...]
    stores: StoreSettings
    """Where the stores are, with their passwords."""

    @property
    def journal_path(self) -> Path:
        """The journal: raw bytes, payloads, history, local copies."""
        return self.file.daemon.state_dir / "journal.db"


def order_line(device_id: str) -> str:
    """The name of the line that an instrument takes orders on, where that is another."""
    return f"{device_id}/orders"


def load(path: Path) -> Config:
    """Read a configuration file. Raises ConfigError with every problem of it."""
    try:
        reading = Reading(TomlFile.read(path))
    except TomlError as error:
        raise ConfigError(error.problems) from error
    file, sections = _read(reading)
    profiles = _profiles(reading, file.daemon.drivers_dir)
    reading.add(_clashes(sections, reading.document))
    reading.add(_order_problems(sections, profiles, reading.document))
    reading.add(store_problems(file.store, reading.document))
    links = [(section.id, parse_url(section.link)) for section in sections.values()]
    reading.add(http_problems(file.http, reading.document, links))
    if reading.problems:
        raise ConfigError(reading.problems)
    file = file.model_copy(update={"instrument": list(sections.values())})
    instruments = [
        Instrument(
            section=section,
            url=parse_url(section.link),
            orders_url=parse_url(section.orders_link) if section.orders_link else None,
            profile=profiles[position],
            timezone=_timezone(section.timezone or file.daemon.timezone),
        )
        for position, section in sections.items()
    ]
    embedded = file.store.path or file.daemon.state_dir / "store.db"
    return Config(file, tuple(instruments), store_settings(file.store, embedded))


def _read(reading: Reading) -> tuple[ConfigFile, dict[int, InstrumentSection]]:
    """Return the tables as far as they are of use, and the instruments by position."""
    reading.no_others(ConfigFile.model_fields)
    file = ConfigFile.model_construct(
        daemon=reading.table(DaemonSection, "daemon") or DaemonSection(),
        journal=reading.table(JournalSection, "journal") or JournalSection(),
        rerun=reading.table(RerunSection, "rerun") or RerunSection(),
        orders=reading.table(OrdersSection, "orders") or OrdersSection(),
        store=reading.table(StoreSection, "store") or StoreSection(),
        http=reading.table(HttpSection, "http") if "http" in reading.document.data else None,
    )
    return file, reading.array(InstrumentSection, "instrument")


def _profiles(reading: Reading, folder: Path | None) -> dict[int, AnyProfile]:
    """Return the profiles of the instruments by position, whatever else is wrong with these."""
    instruments = reading.document.data.get("instrument")
    profiles: dict[int, AnyProfile] = {}
    for position, section in enumerate(instruments if isinstance(instruments, list) else []):
        driver = section.get("driver") if isinstance(section, dict) else None
        if isinstance(driver, str):
            where = ("instrument", position)
            profile = _driver(reading, where, driver, [folder] if folder else [])
            if profile is not None:
                profiles[position] = _own_dialect(reading, where, profile, section.get("dialect"))
    return profiles


def _driver(
    reading: Reading, where: tuple[str | int, ...], name: str, folders: list[Path]
) -> AnyProfile | None:
    try:
        return load_profile(name, folders)
    except ProfileError as error:
        if error.problems[0].file == name:  # there is no such file: the mistake is in this one
            reading.object_to((*where, "driver"), f"{name!r}: {error.problems[0].message}")
        else:
            reading.object_to((*where, "driver"), f"can not use {name!r}")
            reading.add(error.problems)
        return None


def _own_dialect(
    reading: Reading, where: tuple[str | int, ...], profile: AnyProfile, switches: object
) -> AnyProfile:
    """Return the profile with the instrument's own switches: link and parser read them both."""
    try:
        return profile.with_dialect(switches if isinstance(switches, dict) else {})
    except ValidationError as error:
        reading.add(from_validation_error(error, reading.document, (*where, "dialect")))
        return profile


def _timezone(name: str | None) -> dt.tzinfo:
    """The zone of an instrument's clock; the machine's own where none is configured."""
    if name is not None:
        return ZoneInfo(name)
    local = Path("/etc/localtime")
    try:
        with local.open("rb") as file:
            return ZoneInfo.from_file(file, key="localtime")
    except (OSError, ValueError):
        return dt.UTC


def _order_uses(profile: AnyProfile) -> tuple[str, ...]:
    if profile.order is None or profile.dialect.direction != "both":
        return ()
    return tuple(profile.order.use)


def _order_problems(
    sections: Mapping[int, InstrumentSection],
    profiles: Mapping[int, AnyProfile],
    document: TomlFile,
) -> list[Problem]:
    """Return the instruments that are to get orders in a way that their driver does not know."""
    needed = {"answer": "query", "push": "push"}
    return [
        document.problem(
            ("instrument", position, "orders"),
            f"driver {section.driver!r} does not know how to {section.orders} orders on this link",
        )
        for position, section in sections.items()
        if section.orders in needed
        and position in profiles
        and needed[section.orders] not in _order_uses(profiles[position])
    ]


def _clashes(sections: dict[int, InstrumentSection], document: TomlFile) -> list[Problem]:
    """Return what two instruments can not share: an id, an address, a port."""
    positions: dict[str, int] = {}
    problems = []
    for position, section in sections.items():
        if section.id in positions:
            message = f"{section.id!r} is already that of {sections[positions[section.id]].name!r}"
            problems.append(document.problem(("instrument", position, "id"), message))
        positions.setdefault(section.id, position)
    keys = {name: (positions[name], "link") for name in positions}
    urls = {name: parse_url(sections[at].link) for name, at in positions.items()}
    for name, at in positions.items():
        if (link := sections[at].orders_link) is not None:
            keys[order_line(name)] = (at, "orders_link")
            urls[order_line(name)] = parse_url(link)
    return problems + [
        document.problem(("instrument", *keys[name]), sentence)
        for name, sentence in conflicts(urls)
    ]
