"""`swarm mcp config`: the configuration of AI clients. Owns: its arguments and what it tells."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from guardrails.errors import BadInput
from orchestrator.cli_common import JsonOption, SandboxOption, guarded
from orchestrator.cli_run import TwinsOption
from orchestrator.mcp_clients import NEXT, Client, Launch, entries, file_of

SERVERS = ("orchestrator", "hunter", "enricher", "crafter", "guardrails", "ghl", "instantly")


def register(app: typer.Typer) -> None:
    """Add `config`."""
    app.command("config")(_config)


def _config(
    client: Annotated[Client, typer.Argument(help="Whose configuration.")],
    servers: Annotated[
        list[str] | None,
        typer.Option("--server", help="Only this one; may be repeated. Default: all."),
    ] = None,
    urls: Annotated[
        list[str] | None,
        typer.Option(
            "--url",
            metavar="NAME=URL",
            help="This server runs already, over HTTP; may be repeated.",
        ),
    ] = None,
    install: Annotated[
        bool, typer.Option("--install", help="Add it to the client's file; a backup is kept.")
    ] = False,
    project: Annotated[
        Path, typer.Option("--project", help="Folder with .env, in which the servers run.")
    ] = Path(),
    folder: Annotated[
        Path | None,
        typer.Option("--in", help="Folder that the client works in. Default: the project."),
    ] = None,
    hive: Annotated[
        Path | None,
        typer.Option("--hive", help="The servers' hive; a relative one is seen from here."),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", help="production.json, or a directory that holds it; seen from here."
        ),
    ] = None,
    sandbox: SandboxOption = False,
    twins: TwinsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print what makes a client know the servers, or add it to the client's own file.

    It holds no key and no token: the servers read `.env` themselves, and over HTTP the client asks
    for the token or takes it from the environment (SWARM_MCP_TOKEN).
    """

    def work() -> int:
        root = project.absolute()
        if not root.is_dir():
            raise BadInput(f"--project {project}: no such folder")
        options = ["--sandbox"] if sandbox else []
        options += ["--hive", str(hive.absolute())] if hive else []
        options += ["--config", str(config.absolute())] if config else []
        options += ["--twins", str(twins)] if twins else []
        launch = Launch(_program(), root, tuple(options))
        remote = _named(urls or [])
        names = servers or (list(remote) if remote else list(SERVERS))
        if unknown := sorted({*names, *remote} - set(SERVERS)):
            raise BadInput(f"no server {unknown[0]!r}", remedy=f"There are: {', '.join(SERVERS)}.")
        wanted = entries(client, names, launch, remote)
        where = file_of(client, (folder or root).absolute(), Path.home(), os.environ)
        if install:
            return _installed(client, where, wanted, as_json=as_json)
        if not as_json:
            sys.stderr.write(f"For {where}; --install adds it there.\n")
        sys.stdout.write(json.dumps(wanted, indent=2, ensure_ascii=False) + "\n")
        return 0

    guarded(as_json, work)


def _installed(client: Client, where: Path, wanted: dict[str, object], *, as_json: bool) -> int:
    from orchestrator.mcp_install import install

    done = install(where, wanted)
    if as_json:
        told = {
            "file": str(done.file),
            "backup": str(done.backup) if done.backup else None,
            "added": list(done.added),
            "replaced": list(done.replaced),
        }
        sys.stdout.write(json.dumps(told) + "\n")
        return 0
    new = ", ".join((*done.added, *done.replaced)) or "nothing new"
    sys.stdout.write(f"{done.file}: {new}\n")
    if done.backup:
        sys.stdout.write(f"what stood there before: {done.backup}\n")
    sys.stdout.write(f"{NEXT[client]}\n")
    return 0


def _named(urls: list[str]) -> dict[str, str]:
    found = {}
    for one in urls:
        name, separator, url = one.partition("=")
        if not separator or not url.startswith(("http://", "https://")):
            raise BadInput(
                f"--url {one}: write it as NAME=URL, e.g. hunter=http://127.0.0.1:8101/mcp"
            )
        found[name] = url
    return found


def _program() -> Path:
    """This installation's `swarm`, whatever the client's PATH is."""
    beside = Path(sys.executable).with_name("swarm")
    return beside if beside.exists() else Path(sys.argv[0]).absolute()
