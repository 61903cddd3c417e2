"""`rerund drivers`: what instruments rerund knows, how well, and whether a profile works."""

from collections.abc import Sequence
from typing import Annotated

import typer

from drivers.profile import Origin, Profile, available, origin
from drivers.sections import KindMark, RerunMark
from rerund.cli import drivers_new, drivers_schema, drivers_test
from rerund.cli.options import JsonOption
from rerund.cli.profiles import FolderOption, load_profile
from rerund.cli.tables import print_json, print_table

app = typer.Typer(help="Driver profiles: list, show, write and test them.", no_args_is_help=True)


@app.command("list", epilog="Example: rerund drivers list")
def list_profiles(folder: FolderOption = None, as_json: JsonOption = False) -> None:
    """List every profile: what it can tell, and what stands behind that.

    What a source backs is named by the strongest one: manual, digest (someone's table of a
    manual), capture, code (a program that worked), family (an instrument like it). Orders
    reach it as the answer to its query, or as a push; a dash is an instrument of results only.
    """
    search_path = [folder] if folder else []
    profiles = [load_profile(name, folder) for name in available(search_path)]
    origins = [origin(profile.name, search_path) for profile in profiles]
    if as_json:
        print_json(
            [
                _summary(profile) | {"origin": place}
                for profile, place in zip(profiles, origins, strict=True)
            ]
        )
        return
    print_table(
        ["name", "protocol", "models", "results", "QC", "rerun", "query", "orders", "unverified"],
        [
            [
                profile.name + _MARKS[place],
                profile.protocol,
                _models(profile.models),
                *(backing or "-" for backing in _backings(profile).values()),
                ", ".join(_orders(profile)) or "-",
                len(profile.unverified),
            ]
            for profile, place in zip(profiles, origins, strict=True)
        ],
    )
    typer.echo(_LEGEND)


_LEGEND = """\
What stands behind results, QC, rerun marks and queries, by the strongest source: manual (the
vendor's document), digest (someone's table of it), capture (what an instrument sent), code (a
program that worked with it), family (an instrument like it), unknown (no source), - (the profile
does not tell it). rerun "by history": no mark is known, waiting list and history tell. unverified:
how much nobody has checked yet, said one by one by `rerund drivers show NAME`."""


_MARKS: dict[Origin, str] = {
    "shipped": "",
    "local": " (local)",
    "local_override": " (local, replaces the shipped one)",
}


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
    profile = load_profile(name, folder)
    found = origin(name, [folder] if folder else [])
    if as_json:
        # What a path means is written by the fallback: pydantic would warn that it is no path.
        said = profile.model_dump(mode="json", fallback=str, warnings=False)
        print_json(_summary(profile) | {"origin": found, "profile": said})
        return
    models = ", ".join(profile.models)
    typer.echo(f"{profile.name} {profile.version}{_MARKS[found]}: {profile.vendor} {models}")
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


for module in (drivers_new, drivers_schema, drivers_test):
    module.register(app)
