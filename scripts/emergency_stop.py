"""The red button: STOP_SWARM=1 python scripts/emergency_stop.py [--reason TEXT] [--json].

The STOP file is placed before anything else is loaded, and before another Python is started.
"""

import os
import sys
import time

PRESSED = time.time()
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120


def main() -> None:
    """Place the file, then do the rest as `swarm stop`."""
    sys.path.insert(0, ROOT)
    from guardrails.brakes import stop_now

    arguments = sys.argv[1:]
    if not {"--help", "-h"} & set(arguments):
        if not stop_now.armed(os.environ) and "--yes" not in arguments:
            sys.stderr.write(stop_now.EXPLANATION)
            raise SystemExit(2)
        if stop_now.VARIABLE not in os.environ:
            stop_now.press(arguments, os.environ, PRESSED)
    from _launch import environment_of_the_checkout

    environment_of_the_checkout()
    os.umask(0o077)
    try:
        from orchestrator.cli_press import main as rest

        code = rest(arguments)
    except ModuleNotFoundError as error:
        sys.stderr.write(
            f"The STOP file was placed: this machine is stopped. Nothing else was done ({error}).\n"
            "Set up with `make setup` and press again.\n"
        )
        code = 1
    raise SystemExit(code)


main()
