"""`rerund drivers schema`: what an editor needs to check a profile and complete its keys."""

from enum import Enum
from typing import Annotated

import typer

from rerund.cli.tables import print_json


class ProtocolName(Enum):
    """What an instrument speaks."""

    ASTM = "astm"
    HL7 = "hl7"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("schema", epilog="Example: rerund drivers schema astm > astm.schema.json")(schema)


def schema(
    protocol: Annotated[ProtocolName, typer.Argument(help="Which profiles the schema is of.")],
) -> None:
    """Print the JSON schema of profiles, for editors that know TOML (Taplo, Even Better TOML).

    Name it in the first line of a profile: #:schema ./astm.schema.json
    """
    from drivers.schema import profile_schema  # which takes longer to import than to run

    print_json(profile_schema(protocol.value))
