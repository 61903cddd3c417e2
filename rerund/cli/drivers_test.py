"""`rerund drivers test`: whether profiles read their samples as somebody found right."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from drivers import selftest
from drivers.profile import AnyProfile, available
from rerund.cli.exits import REFUSED, USAGE, fail
from rerund.cli.profiles import FolderOption, load_profile
from rerund.cli.samples import CHECKOUT, samples_of, shipped_samples


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("test", epilog="Example: rerund drivers test ./analyzer.toml samples/*.astm")(
        check_profiles
    )


def check_profiles(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="A name, or a path to a profile.")
    ] = None,
    samples: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[SAMPLE...]",
            help="Captures: records, segments, frames or blocks, each with its CASE.json.",
        ),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every profile there is.")] = False,
    expect: Annotated[
        Path | None,
        typer.Option("--expect", metavar="FILE", help="What must come out, instead of CASE.json."),
    ] = None,
    accept: Annotated[
        bool,
        typer.Option("--accept", help="Write what comes out of each SAMPLE to its CASE.json."),
    ] = False,
    golden: Annotated[
        Path | None,
        typer.Option("--golden", metavar="DIR", help="Take the samples from DIR/NAME/."),
    ] = None,
    folder: FolderOption = None,
) -> None:
    """Check a profile, and that it reads samples as the JSON beside them says.

    Without SAMPLE: those in the folder beside a profile of your own that is called like it,
    and those of the checkout for a shipped one. Exits 1 when a sample reads differently, 78
    when a profile itself is wrong.
    """
    samples = samples or []
    if every == (name is not None):
        fail("either NAME or --all", USAGE)
    if expect is not None and len(samples) != 1:
        fail("--expect is for one SAMPLE", USAGE)
    if accept and not samples:
        fail("--accept is for samples that are named, after looking at them", USAGE)
    names = available([folder] if folder else []) if every else [name or ""]
    profiles = [(each, load_profile(each, folder)) for each in names]
    if accept:
        for sample in samples:
            _accept(profiles[0][1], sample, expect or sample.with_suffix(".json"))
        return
    if golden is None and not samples and shipped_samples() is None:
        typer.echo(
            "the samples of the shipped profiles are not installed: they are in "
            f"{CHECKOUT} of a checkout, name it with --golden",
            err=True,
        )
    as_said = [
        _reads(profile, samples or samples_of(profile, each, folder, golden), expect)
        for each, profile in profiles
    ]
    if not all(as_said):
        raise typer.Exit(REFUSED)


def _reads(profile: AnyProfile, samples: list[Path], expect: Path | None) -> bool:
    """Print how a profile reads its samples; False when one is read differently."""
    failed = 0
    for sample in samples:
        differences = _differences(profile, sample, expect or sample.with_suffix(".json"))
        failed += bool(differences)
        for difference in differences:
            typer.echo(f"{sample}: {difference}", err=True)
    if not samples:
        typer.echo(f"{profile.name}: valid; there is no sample to read")
    else:
        typer.echo(f"{profile.name}: valid; {len(samples) - failed} of {len(samples)} samples read")
    return not failed


def _differences(profile: AnyProfile, sample: Path, expect: Path) -> list[str]:
    if sample.is_file() and not expect.exists():
        return [f"there is no {expect.name} that says what must come out; --accept writes it"]
    try:
        return selftest.check(profile, sample, expect)
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}", USAGE)
    except ValueError as error:
        fail(f"{expect}: {error}", USAGE)


def _accept(profile: AnyProfile, sample: Path, expect: Path) -> None:
    """Write down what comes out of a sample, and print it as short as a person can check it."""
    try:
        found = selftest.read_sample(profile, sample)
        text = json.dumps(found, ensure_ascii=False, indent=1) + "\n"
        expect.write_text(text, encoding="utf-8")
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}", USAGE)
    for line in _lines(found):
        typer.echo(line)
    typer.echo(f"written to {expect}: from now on this must come out of {sample}")


def _lines(found: dict[str, Any]) -> Iterator[str]:
    if "error" in found:
        yield f"refused: {found['error']}"
    for sample in found.get("samples", ()):
        for result in sample["results"]:
            units, run_at = result.get("units") or "", result.get("run_at") or "no time"
            flags = " ".join(result.get("abnormal_flags", ()))
            value = f"{result['test_code']} = {result['value']} {units}".rstrip()
            yield ", ".join(filter(None, (sample["sample_id"] or "no id", value, flags, run_at)))
    for query in found.get("queries", ()):
        yield f"query for {', '.join(query['sample_ids']) or 'all samples'}"
    for note in found.get("notes", ()):
        yield f"note: {note}"
