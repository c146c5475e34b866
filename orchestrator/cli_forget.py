"""`swarm forget`: erases a person. Owns: its arguments."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli_common import DEFAULT_HIVE, ConfigOption, HiveOption, JsonOption, guarded


def register(app: typer.Typer) -> None:
    """Add `forget`."""
    app.command("forget")(forget)


def forget(
    email: Annotated[str, typer.Argument(help="The person's e-mail address.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; kept on the record.")],
    hive: HiveOption = DEFAULT_HIVE,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Erase a person from the hive for good; keep a hashed suppression and the audit record.

    Exit 1 when the address still stands somewhere here: the list says where. What vendors, Slack
    and backups hold is listed, and is yours to erase.
    """
    from orchestrator.forget.command import forget_person

    guarded(as_json, lambda: forget_person(email, reason, hive, config, as_json=as_json))
