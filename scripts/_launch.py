"""Run a `swarm` command from a script of the checkout, in the checkout's own environment."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PYTHON = ROOT / ".venv" / "bin" / "python"


def environment_of_the_checkout() -> None:
    """Hand over to `.venv` when it was made (`make demo` makes it)."""
    if PYTHON.is_file() and Path(sys.prefix) != ROOT / ".venv":
        os.execv(PYTHON, [str(PYTHON), sys.argv[0], *sys.argv[1:]])  # noqa: S606
    sys.path.insert(0, str(ROOT))


def launch(command: str) -> None:
    """Run the command there."""
    environment_of_the_checkout()
    try:
        from orchestrator.cli import run_command
    except ModuleNotFoundError as error:
        sys.stderr.write(f"{error}. Set up once with `make setup` or `make demo`.\n")
        raise SystemExit(2) from error

    run_command(command)
