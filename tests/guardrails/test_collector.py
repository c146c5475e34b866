"""A short command does not spend its end on looking for garbage."""

import subprocess
import sys

PROGRAM = """
import atexit, gc
from guardrails.collector import spare_the_collector
# Registered first, it is called last.
atexit.register(lambda: print(gc.get_freeze_count() > 1000, gc.collect()))
spare_the_collector()
print(gc.isenabled(), gc.get_threshold()[0] > 700)
"""


def test_what_was_imported_is_looked_through_seldom_and_at_the_end_not_at_all() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.splitlines() == ["True True", "True 0"]
