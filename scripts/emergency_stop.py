"""The red button: STOP_SWARM=1 python scripts/emergency_stop.py [--reason TEXT] [--json].

The STOP file is placed before anything else is loaded, and before another Python is started.
"""

import os
import sys
import time
from pathlib import Path

PRESSED = time.time()


def main() -> None:
    """Place the file, then do the rest as `swarm stop`."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from guardrails.brakes import stop_now

    helping = {"--help", "-h"} & set(sys.argv[1:])
    if not helping and not stop_now.armed(os.environ):
        sys.stderr.write(stop_now.EXPLANATION)
        raise SystemExit(2)
    if not helping and stop_now.VARIABLE not in os.environ:
        stop_now.press(sys.argv[1:], os.environ, PRESSED)
    from _launch import launch

    launch("stop")


main()
