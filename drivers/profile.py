"""Driver profiles: what one instrument family means by its messages, as a TOML file.

`docs/profile-format.md` explains every key. A profile holds no code: what can not be said
in it is a small named function of `drivers.quirks`. A local folder overrides the shipped
profiles of the same name.
"""

import codecs
import dataclasses
from collections.abc import Iterable, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, get_args, get_type_hints

from pydantic import AfterValidator, Field, Strict, ValidationError, create_model

from drivers.hl7.order_section import Hl7OrderSection
from drivers.hl7.sections import (
    Hl7KindMark,
    Hl7MessageSection,
    Hl7PatientSection,
    Hl7QuerySection,
    Hl7RerunSection,
    Hl7ResultSection,
    Hl7SpecimenSection,
    OrderResultSection,
)
from drivers.nearest import nearest
from drivers.order_section import OrderSection
from drivers.quirks import QUIRKS
from drivers.sections import (
    Backing,
    KindMark,
    MessageSection,
    PatientSection,
    QuerySection,
    Reference,
    RerunSection,
    ResultSection,
    SpecimenSection,
    Table,
    Texts,
)
from drivers.tomlfile import Problem, TomlError, TomlFile, from_validation_error
from protocols.astm.dialect import Dialect as AstmDialect
from protocols.hl7.dialect import Dialect as Hl7Dialect

SHIPPED = Path(__file__).resolve().parent / "profiles"


class ProfileError(Exception):
    """A profile that can not be used. `problems` holds all that was found."""

    def __init__(self, problems: list[Problem]):
        super().__init__(problems)
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join(map(str, self.problems))


def _known_encoding(name: str) -> str:
    try:
        codecs.lookup(name)
    except LookupError:
        raise ValueError(f"unknown character encoding {name!r}") from None
    return name


def _dialect_table(dialect: type[AstmDialect | Hl7Dialect]) -> type[Table]:
    """The `[dialect]` table: a key for each switch of the protocol, and no other."""
    types = {
        name: Annotated[kind, Strict()] if kind in (bool, int, float, str) else kind
        for name, kind in get_type_hints(dialect).items()
    }
    types["encoding"] = Annotated[str, Strict(), AfterValidator(_known_encoding)]
    fields: dict[str, Any] = {
        field.name: (types[field.name], field.default) for field in dataclasses.fields(dialect)
    }
    return create_model("DialectTable", __base__=Table, **fields)


if TYPE_CHECKING:

    class _AstmDialectTable(Table): ...

    class _Hl7DialectTable(Table): ...

else:
    _AstmDialectTable = _dialect_table(AstmDialect)
    _Hl7DialectTable = _dialect_table(Hl7Dialect)


def _known_quirk(name: str) -> str:
    if name not in QUIRKS:
        raise ValueError(f"unknown quirk {name!r}; known: {', '.join(sorted(QUIRKS))}")
    return name


class Profile(Table):
    """One instrument family: what its messages mean, and which document says so."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    version: str
    vendor: str
    models: Texts
    protocol: Literal["astm", "hl7"]
    about: str = ""
    source: tuple[Reference, ...] = ()
    verified: Texts = ()
    unverified: Texts = ()
    dialect_table: Table
    message: MessageSection = MessageSection()
    specimen: SpecimenSection
    patient: PatientSection = PatientSection()
    result: ResultSection
    kind: tuple[KindMark, ...] = ()
    rerun: RerunSection
    quirks: tuple[Annotated[str, AfterValidator(_known_quirk)], ...] = ()

    def backing(self, part: str) -> Backing | None:
        """Return the strongest kind of source that backs a part of this profile as a whole."""
        kinds = {source.kind for source in self.source if part in source.backs}
        return next((kind for kind in get_args(Backing) if kind in kinds), None)

    @cached_property
    def readers(self) -> dict[Any, Any]:
        """What `interpret` has compiled from this profile, by delimiters and time zone."""
        return {}

    def with_dialect(self, switches: dict[str, Any]) -> Self:
        """Return this profile with some dialect switches changed. Raises pydantic's error."""
        if not switches:
            return self
        said = self.dialect_table.model_dump(exclude_unset=True)
        table = type(self.dialect_table).model_validate(said | switches)
        changed = self.model_copy(update={"dialect_table": table})
        for derived in ("dialect", "readers"):
            changed.__dict__.pop(derived, None)
        return changed


class AstmProfile(Profile):
    """The profile of a family that speaks E1394."""

    protocol: Literal["astm"]
    dialect_table: _AstmDialectTable = Field(default=_AstmDialectTable(), alias="dialect")
    query: QuerySection = QuerySection()
    order: OrderSection | None = None

    @cached_property
    def dialect(self) -> AstmDialect:
        """The link and record switches of the protocol."""
        return AstmDialect(**self.dialect_table.model_dump(exclude_unset=True))


class Hl7Profile(Profile):
    """The profile of a family that speaks HL7 v2."""

    protocol: Literal["hl7"]
    dialect_table: _Hl7DialectTable = Field(default=_Hl7DialectTable(), alias="dialect")
    message: Hl7MessageSection = Hl7MessageSection()
    specimen: Hl7SpecimenSection
    patient: Hl7PatientSection = Hl7PatientSection()
    result: Hl7ResultSection
    order_result: OrderResultSection | None = None
    kind: tuple[Hl7KindMark, ...] = ()
    rerun: Hl7RerunSection
    query: Hl7QuerySection = Hl7QuerySection()
    order: Hl7OrderSection | None = None

    @cached_property
    def dialect(self) -> Hl7Dialect:
        """The link and message switches of the protocol."""
        return Hl7Dialect(**self.dialect_table.model_dump(exclude_unset=True))


AnyProfile = AstmProfile | Hl7Profile

Origin = Literal["shipped", "local", "local_override"]


def available(search_path: Iterable[Path] = ()) -> list[str]:
    """The names of all profiles: those of the local folders and the shipped ones."""
    folders = (*search_path, SHIPPED)
    return sorted({file.stem for folder in folders for file in folder.glob("*.toml")})


def origin(name_or_path: str | Path, search_path: Sequence[Path] = ()) -> Origin:
    """Say whether a profile is shipped, local, or a local one in place of a shipped one."""
    path = find(name_or_path, search_path)
    if path.parent.resolve() == SHIPPED:
        return "shipped"
    return "local_override" if (SHIPPED / path.name).is_file() else "local"


def load(name_or_path: str | Path, search_path: Sequence[Path] = ()) -> AnyProfile:
    """Load a profile by name, or from a `.toml` file. Raises ProfileError with all problems."""
    path = find(name_or_path, search_path)
    try:
        stat = path.stat()
    except OSError:
        return _load(path, 0, 0)  # which says why it can not be read
    return _load(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=64)
def _load(path: Path, _modified: int, _size: int) -> AnyProfile:
    """Load a file once for all instruments that it drives, and again when it has changed."""
    try:
        file = TomlFile.read(path)
    except TomlError as error:
        raise ProfileError(error.problems) from error
    try:
        model = Hl7Profile if file.data.get("protocol") == "hl7" else AstmProfile
        profile = model.model_validate(file.data)
    except ValidationError as error:
        raise ProfileError(from_validation_error(error, file)) from error
    if profile.name != path.stem:
        problem = file.problem(("name",), f"expected {path.stem!r} as the file is called")
        raise ProfileError([problem])
    return profile


def find(name_or_path: str | Path, search_path: Sequence[Path] = ()) -> Path:
    """Return the file of a profile; a local one comes first. Raises ProfileError."""
    if isinstance(name_or_path, Path) or name_or_path.endswith(".toml"):
        return Path(name_or_path)
    folders = (*search_path, SHIPPED)
    for folder in folders:
        path = folder / f"{name_or_path}.toml"
        if path.is_file():
            return path
    raise ProfileError(
        [Problem(name_or_path, 1, "", f"no such driver; {_hint(name_or_path, folders)}")]
    )


def _hint(name: str, folders: Sequence[Path]) -> str:
    files = {file.stem: file for folder in reversed(folders) for file in folder.glob("*.toml")}
    near = nearest(name, {known: _about(file) for known, file in files.items()})
    if not near:
        return f"known: {', '.join(sorted(files))}"
    *others, last = map(repr, near)
    return f"did you mean {', '.join(others)}{' or ' if others else ''}{last}?"


def _about(file: Path) -> str:
    """Return vendor and models of a profile, nothing of one that can not be read."""
    try:
        data = TomlFile.read(file).data
    except TomlError:
        return ""
    models = data.get("models")
    return " ".join(
        [str(data.get("vendor", "")), *map(str, models if isinstance(models, list) else [])]
    )
