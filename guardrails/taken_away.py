"""Files that are written under a lock and taken away by renaming. Owns: seeing that one was."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


def is_at(descriptor: int, path: Path) -> bool:
    """Whether the open file is still the one under this name."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(descriptor), found)


def written(path: Path) -> bool:
    """Wait for a writer who had locked the file before it was taken away; False: it is gone."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
    except OSError:
        return False
    return True
