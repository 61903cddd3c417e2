"""What the tables of the configuration have in common."""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Seconds = Annotated[float, Field(gt=0)]
FilePath = Annotated[Path, Field(strict=False)]
"""A path, which TOML has as text."""


class Section(BaseModel):
    """A table of the file. A key it does not know is a problem, and so is `port = "3306"`."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
