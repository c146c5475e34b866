"""The garbage collector at a process's start and end. Owns: that neither waits for it."""

from __future__ import annotations

import atexit
import gc

_THRESHOLDS = (50_000, 20, 50)


def spare_the_collector() -> None:
    """Call first in a process that imports much: it looks through it seldom, and not at the end.

    What was imported stays until the end, when the interpreter would look through all of it three
    times in vain: a third of the CPU of a short command.
    """
    gc.set_threshold(*_THRESHOLDS)
    atexit.register(gc.freeze)
