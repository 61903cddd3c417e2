"""`rerund drivers`: what instruments rerund knows, how well, and whether a profile works."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from drivers import selftest
from drivers.profile import AnyProfile, Profile, ProfileError, available, load
from drivers.sections import KindMark, RerunMark
from rerund.cli.exits import REFUSED, USAGE, fail, fail_with
from rerund.cli.options import JsonOption
from rerund.cli.tables import print_json, print_table

app = typer.Typer(help="Driver profiles: list, show and test them.", no_args_is_help=True)

FolderOption = Annotated[
    Path | None,
    typer.Option("--drivers-dir", metavar="DIR", help="A folder of profiles of your own."),
]


def _load(name: str, folder: Path | None) -> AnyProfile:
    try:
        return load(name, [folder] if folder else [])
    except ProfileError as error:
        fail_with(error.problems)


@app.command("list", epilog="Example: rerund drivers list")
def list_profiles(folder: FolderOption = None, as_json: JsonOption = False) -> None:
    """List every profile: what it can tell, and what stands behind that.

    What a source backs is named by the strongest one: manual, digest (someone's table of a
    manual), capture, code (a program that worked), family (an instrument like it). Orders
    reach it as the answer to its query, or as a push; a dash is an instrument of results only.
    """
    profiles = [_load(name, folder) for name in available([folder] if folder else [])]
    if as_json:
        print_json([_summary(profile) for profile in profiles])
        return
    print_table(
        ["name", "protocol", "models", "results", "QC", "rerun", "query", "orders", "unverified"],
        [
            [
                profile.name,
                profile.protocol,
                _models(profile.models),
                *(backing or "-" for backing in _backings(profile).values()),
                ", ".join(_orders(profile)) or "-",
                len(profile.unverified),
            ]
            for profile in profiles
        ],
    )
    typer.echo(_LEGEND)


_LEGEND = """\
What stands behind results, QC, rerun marks and queries, by the strongest source: manual (the
vendor's document), digest (someone's table of it), capture (what an instrument sent), code (a
program that worked with it), family (an instrument like it), unknown (no source), - (the profile
does not tell it). rerun "by history": no mark is known, waiting list and history tell. unverified:
how much nobody has checked yet, said one by one by `rerund drivers show NAME`."""


def _models(models: Sequence[str]) -> str:
    """The models in the width of a column."""
    shown = ", ".join(models[:3])
    return f"{shown} and {len(models) - 3} more" if len(models) > 3 else shown


def _backings(profile: Profile) -> dict[str, str | None]:
    """What stands behind each thing that a profile tells; None when it does not."""
    marks = profile.backing("rerun.mark") or "unknown"
    return {
        "results": profile.backing("result"),
        "qc": profile.backing("kind"),
        "rerun": marks if profile.rerun.marked else "by history",
        "query": profile.backing("query"),
    }


def _orders(profile: Profile) -> list[str]:
    """The ways that orders reach the instrument."""
    section = getattr(profile, "order", None)
    return list(section.use) if section else []


def _summary(profile: Profile) -> dict[str, object]:
    return {
        "name": profile.name,
        "version": profile.version,
        "vendor": profile.vendor,
        "models": list(profile.models),
        "protocol": profile.protocol,
        "reruns_marked": profile.rerun.marked,
        "backing": _backings(profile) | {"order": profile.backing("order")},
        "orders": _orders(profile),
        "sources": [source.model_dump() for source in profile.source],
        "verified": list(profile.verified),
        "unverified": list(profile.unverified),
    }


@app.command(epilog="Example: rerund drivers show sysmex-xn")
def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A name, or a path to a profile.")],
    folder: FolderOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a profile says, its sources, and what nobody has verified yet."""
    profile = _load(name, folder)
    if as_json:
        # What a path means is written by the fallback: pydantic would warn that it is no path.
        said = profile.model_dump(mode="json", fallback=str, warnings=False)
        print_json(_summary(profile) | {"profile": said})
        return
    typer.echo(f"{profile.name} {profile.version}: {profile.vendor} {', '.join(profile.models)}")
    if profile.about:
        typer.echo(profile.about)
    for source in profile.source:
        place = ", ".join(part for part in (source.revision, source.pages) if part)
        kind = source.kind or "source"
        typer.echo(f"  {kind:11} {source.document}{f' ({place})' if place else ''}")
        typer.echo(f"              backs {', '.join(source.backs)}")
    for text in profile.verified:
        typer.echo(f"  verified    {text}")
    for text in profile.unverified:
        typer.echo(f"  UNVERIFIED  {text}")
    _show_rules(profile)
    typer.echo("  dialect")
    for key, value in profile.dialect_table.model_dump().items():
        typer.echo(f"    {key} = {value!r}")


def _show_rules(profile: Profile) -> None:
    """Print where things stand, and which codes tell controls and reruns."""
    result = profile.result
    times = " or ".join(map(str, result.run_at))
    typer.echo(f"  specimen    {profile.specimen.id}")
    typer.echo(f"  results     test {result.test_code}, value {result.value}, time {times}")
    for kind in profile.kind:
        typer.echo(f"  {kind.kind:11} {kind.field} {_looked_for(kind)}")
    if not profile.rerun.marked:
        typer.echo("  reruns      no known mark: told by waiting list and history")
    for mark in profile.rerun.mark:
        means = " and ".join(str(word) for word in (mark.run_kind, mark.next_action) if word)
        typer.echo(f"  reruns      {mark.field} {_looked_for(mark)}: {means}")
    ways = " and ".join(_orders(profile))
    backing = profile.backing("order") or "no source"
    typer.echo(f"  orders      {f'{ways} ({backing})' if ways else 'none: results only'}")


def _looked_for(mark: KindMark | RerunMark) -> str:
    if mark.pattern is not None:
        return f"matches {mark.pattern.pattern}"
    return "= " + ", ".join(mark.equals or ())


@app.command("test", epilog="Example: rerund drivers test ./analyzer.toml samples/*.astm")
def check_profiles(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="A name, or a path to a profile.")
    ] = None,
    samples: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[SAMPLE...]", help="CASE.astm or CASE.hl7 files, each with its CASE.json."
        ),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every profile there is.")] = False,
    golden: Annotated[
        Path | None,
        typer.Option("--golden", metavar="DIR", help="Take the samples from DIR/NAME/."),
    ] = None,
    folder: FolderOption = None,
) -> None:
    """Check a profile, and that it reads golden samples as the JSON beside them says.

    Exits 1 when a sample reads differently, 78 when a profile itself is wrong.
    """
    if every == (name is not None):
        fail("either NAME or --all", USAGE)
    names = available([folder] if folder else []) if every else [name or ""]
    profiles = [_load(each, folder) for each in names]
    as_said = [_reads(profile, _samples(profile, samples or [], golden)) for profile in profiles]
    if not all(as_said):
        raise typer.Exit(REFUSED)


def _samples(profile: AnyProfile, samples: list[Path], golden: Path | None) -> list[Path]:
    found = sorted((golden / profile.name).glob(f"*.{profile.protocol}")) if golden else []
    return [*samples, *found]


def _reads(profile: AnyProfile, samples: list[Path]) -> bool:
    """Print how a profile reads its samples; False when one is read differently."""
    failed = 0
    for sample in samples:
        differences = _differences(profile, sample)
        failed += bool(differences)
        for difference in differences:
            typer.echo(f"{sample}: {difference}", err=True)
    if not samples:
        typer.echo(f"{profile.name}: valid; there is no sample to read")
    else:
        typer.echo(f"{profile.name}: valid; {len(samples) - failed} of {len(samples)} samples read")
    return not failed


def _differences(profile: AnyProfile, sample: Path) -> list[str]:
    try:
        return selftest.check(profile, sample)
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}", USAGE)
    except ValueError as error:
        fail(f"{sample.with_suffix('.json')}: {error}", USAGE)
