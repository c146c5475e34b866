"""`python -P -m orchestrator.gateway`: the gateway, with the variables of this environment alone.

`.env` is not read here: `swarm gateway` and `swarm up` read it and hand over what is the gateway's.
When it listens it says where, and which doors are open; with --json as one line
`{"host": …, "port": …, "doors": {path: open}}`. Exit codes as `swarm`'s: 0 ended by a signal,
1 something failed, 2 configuration.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import asdict
from pathlib import Path

import orjson

from guardrails.errors import ConfigError, SwarmError
from orchestrator.environment import Environment
from orchestrator.gateway.ground import Options
from orchestrator.gateway.main import Open, run


def main() -> None:
    """Read the options and run until a signal."""
    os.umask(0o077)  # what it creates in the hive is its operator's alone
    asked = _parser().parse_args()
    options = Options(asked.hive, asked.sandbox, asked.config, asked.host, asked.port)
    try:
        tell = _tell_program if asked.json else _tell_person
        run(options, Environment.read(Path(os.devnull)), tell)
    except SwarmError as error:
        sys.stderr.write(f"{error.code}: {error.message}\n{error.remedy}\n")
        raise SystemExit(2 if isinstance(error, ConfigError) else 1) from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="orchestrator.gateway", description="The gateway.")
    hive = Path(os.environ.get("HIVE_MIND_DIR", ".hive-mind"))
    sandboxed = os.environ.get("SWARM_SANDBOX") == "1"
    parser.add_argument("--hive", type=Path, default=hive, help="state of the swarm")
    parser.add_argument("--sandbox", action="store_true", default=sandboxed, help="nothing is real")
    parser.add_argument("--config", type=Path, help="production.json, or its directory")
    parser.add_argument("--host", help="instead of gateway.host in production.json")
    parser.add_argument("--port", type=int, help="instead of gateway.port; 0 chooses a free one")
    parser.add_argument("--json", action="store_true", help="say so as one JSON line")
    return parser


def _tell_program(where: Open) -> None:
    sys.stdout.write(orjson.dumps(asdict(where)).decode() + "\n")
    sys.stdout.flush()


def _tell_person(where: Open) -> None:
    host = f"[{where.host}]" if ":" in where.host else where.host
    lines = [f"The gateway listens on http://{host}:{where.port}"]
    lines += [
        f"  {'open  ' if is_open else 'closed'}  {path}" for path, is_open in where.doors.items()
    ]
    if not all(where.doors.values()):
        lines.append("A closed door lacks its variable: see docs/webhooks.md and docs/slack.md.")
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
