"""`swarm mcp token`: who may speak to the servers over HTTP. Owns: its arguments, and the record.

A token is shown when its creation is on the audit record, and revoked before that is: a record that
cannot be written lets nobody in and keeps nobody in.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from guardrails.errors import SwarmError
from guardrails.mcp_token_model import Scope, Token
from orchestrator.cli_common import DEFAULT_HIVE, HiveOption, JsonOption, guarded

if TYPE_CHECKING:
    from collections.abc import Callable

    from guardrails.mcp_tokens import Tokens


def register(app: typer.Typer) -> None:
    """Add `token create`, `list` and `revoke`."""
    token = typer.Typer(help="Tokens of MCP over HTTP.", no_args_is_help=True)
    token.command("create")(_create)
    token.command("list")(_list)
    token.command("revoke")(_revoke)
    app.add_typer(token, name="token")


def _create(
    name: Annotated[str, typer.Option("--name", help="Whose: a person's or a client's.")],
    scope: Annotated[
        Scope, typer.Option("--scope", help="read: look, at no cost. operate: every tool.")
    ],
    days: Annotated[
        int | None, typer.Option("--days", min=1, help="It counts no more after that.")
    ] = None,
    hive: HiveOption = DEFAULT_HIVE,
    as_json: JsonOption = False,
) -> None:
    """Create a token. It is shown once, here, and kept nowhere."""

    def work() -> int:
        with _tokens(hive) as (tokens, record):
            text, made = tokens.create(name, scope, days)
            try:
                record("created", made)
            except BaseException:
                tokens.revoke(made.id)
                raise
        if as_json:
            _say(json.dumps({**_shown(made), "token": text}))
            return 0
        sys.stderr.write(f"{made.name}: scope {made.scope}, {_until(made)}. Shown once:\n")
        _say(text)
        return 0

    guarded(as_json, work)


def _list(hive: HiveOption = DEFAULT_HIVE, as_json: JsonOption = False) -> None:
    """Tokens that were not revoked. None can be shown again."""

    def work() -> int:
        from guardrails.clock import utc_now
        from guardrails.hive import Hive
        from guardrails.mcp_tokens import Tokens

        found = Tokens(Hive.existing(hive), utc_now).listed()
        if as_json:
            _say(json.dumps({"tokens": [_shown(one) for one in found]}))
            return 0
        for one in found:
            over = " (over)" if one.is_over(utc_now()) else ""
            made = f"created {one.created:%Y-%m-%d}"
            _say(f"{one.id}  {one.scope:<7}  {made}, {_until(one)}{over}  {one.name}")
        if not found:
            _say("No tokens: nobody gets in over HTTP.")
        return 0

    guarded(as_json, work)


def _revoke(
    which: Annotated[str, typer.Argument(help="Its id or name.")],
    hive: HiveOption = DEFAULT_HIVE,
    as_json: JsonOption = False,
) -> None:
    """Have a token count no more, at once, in servers that run as well."""

    def work() -> int:
        from guardrails.clock import utc_now
        from guardrails.hive import Hive
        from guardrails.mcp_tokens import Tokens

        gone = Tokens(Hive.existing(hive), utc_now).revoke(which)  # needs no database
        try:
            with _tokens(hive) as (_, record):
                record("revoked", gone)
        except SwarmError as error:
            error.message = f"{gone.name} is revoked, but not on the record: {error.message}"
            raise
        _say(json.dumps(_shown(gone)) if as_json else f"{gone.name} ({gone.id}) is revoked.")
        return 0

    guarded(as_json, work)


@contextmanager
def _tokens(hive: Path) -> Iterator[tuple[Tokens, Callable[[str, Token], None]]]:
    """The tokens, and what puts a change of them on the audit record."""
    import getpass

    from guardrails.audit import AuditEntry, AuditLog
    from guardrails.clock import utc_now
    from guardrails.mcp_tokens import Tokens
    from orchestrator.commands import opened

    with opened(hive) as (found, store):
        audit = AuditLog(found, store, utc_now)

        def record(what: str, token: Token) -> None:
            # Not its name, which may be an address.
            body = {"mcp_token": {"id": token.id, "scope": token.scope.value, "what": what}}
            entry = AuditEntry("config_change", f"person:{getpass.getuser()}", body)
            asyncio.run(audit.record([entry]))

        try:
            yield Tokens(found, utc_now), record
        finally:
            audit.close()


def _shown(token: Token) -> dict[str, Any]:
    return token.model_dump(mode="json", exclude={"digest"})


def _until(token: Token) -> str:
    return f"until {token.expires:%Y-%m-%d}" if token.expires else "until it is revoked"


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
