"""`python -P -m servers.sandbox`: starts the twins and prints one JSON line when they answer.

The line is `{"port": …, "env": {…}}`; `env` is what the servers need in their environment.
"""

from __future__ import annotations

import argparse
import sys
from typing import get_args

from pydantic import ValidationError

from guardrails.collector import spare_the_collector
from guardrails.config.loader import describe
from servers.sandbox.behaviour import Behaviour, TwinName
from servers.sandbox.host import Options, host
from servers.sandbox.world import DEFAULT_SEED


def main() -> None:
    """Read the options and serve until stopped. Exit code 2 when the port is taken."""
    spare_the_collector()
    asked = _parser().parse_args()
    if asked.latency_ms is not None:
        asked.behaviour.latency_ms = asked.latency_ms
    if asked.rate_limits is not None:
        asked.behaviour.rate_limits = tuple(asked.rate_limits)
    try:
        host(Options(asked.port, asked.seed, asked.behaviour, asked.watch_stdin, asked.offset_s))
    except OSError as error:
        sys.stderr.write(f"The sandbox could not listen on port {asked.port}: {error}\n")
        raise SystemExit(2) from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="servers.sandbox", description="The vendors' twins.")
    parser.add_argument("--port", type=int, default=0, help="0 takes any free port")
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED, help="which world to invent")
    parser.add_argument(
        "--offset-s", type=float, default=0.0, help="seconds its clock is ahead of the wall's"
    )
    parser.add_argument("--latency-ms", type=float, help="added to every answer")
    parser.add_argument(
        "--rate-limits",
        nargs="*",
        choices=("all", *get_args(TwinName)),
        metavar="VENDOR",
        help="vendors whose published limit is enforced, or `all`; none by default",
    )
    parser.add_argument(
        "--behaviour",
        type=_behaviour,
        default=Behaviour(),
        metavar="JSON",
        help="switches to start with, as POST /_twin/behaviour takes them",
    )
    parser.add_argument(
        "--watch-stdin", action="store_true", help="end when stdin closes: never outlive a parent"
    )
    return parser


def _behaviour(text: str) -> Behaviour:
    try:
        return Behaviour.model_validate_json(text)
    except ValidationError as error:
        raise argparse.ArgumentTypeError(describe(error)) from error


if __name__ == "__main__":
    main()
