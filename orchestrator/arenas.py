"""The queen's memory. Owns: how many heaps her threads share."""

from __future__ import annotations

import ctypes
import sys

_M_ARENA_MAX = -8  # of glibc's malloc.h


def share_arenas() -> None:
    """Have the engine's threads share two heaps (glibc; elsewhere nothing happens).

    With a heap for each of its thirty threads the queen's memory grows for thousands of leads.
    """
    libc = ctypes.CDLL(None)
    if sys.platform.startswith("linux") and hasattr(libc, "mallopt"):
        libc.mallopt(_M_ARENA_MAX, 2)
