"""The hunter's environment. Owns: where lead files may lie."""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from servers.common.settings import ServerSettings


class HunterSettings(ServerSettings):
    """What the hunter reads from its environment; it needs no key."""

    decides_or_writes: ClassVar[bool] = False

    roots: str = Field(default=".", validation_alias="HUNTER_ROOTS")

    def root_paths(self) -> tuple[Path, ...]:
        """Directories below which lead files may lie; the current one by default."""
        return tuple(Path(part).resolve() for part in self.roots.split(os.pathsep) if part)
