"""`swarm approvals`: the queue of people, without Slack. Owns: its arguments and what it asks.

The same state machine as in Slack: one word a draft, on record first.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli_common import (
    DEFAULT_HIVE,
    ConfigOption,
    HiveOption,
    JsonOption,
    guarded,
)

if TYPE_CHECKING:
    from guardrails.approval_model import Answer
    from orchestrator.approvals.desk import Desk

IdArgument = Annotated[str, typer.Argument(help="As `swarm approvals list` shows it.")]
AsOption = Annotated[
    str,
    typer.Option("--as", envvar="SWARM_APPROVER", help="Your name in config/approvers.json."),
]


def register(app: typer.Typer) -> None:
    """Add `approvals` and its commands."""
    approvals = typer.Typer(help="What waits for a person, and their word.", no_args_is_help=True)
    approvals.command("list")(_list)
    approvals.command("show")(_show)
    approvals.command("approve")(_approve)
    approvals.command("reject")(_reject)
    approvals.command("edit")(_edit)
    app.add_typer(approvals, name="approvals")


def _list(
    every: Annotated[bool, typer.Option("--all", help="Also those that have ended.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, help="No more than so many.")] = 500,
    hive: HiveOption = DEFAULT_HIVE,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """What waits for a person, who is due first. Exit 1 when something is overdue."""

    async def work(desk: Desk) -> int:
        from guardrails.approval_model import ApprovalState
        from orchestrator.approvals.show import row_document, table_of
        from orchestrator.report import console

        state = None if every else ApprovalState.WAITING
        found, number = await desk.listed(state, limit)
        now = desk.clock()
        waiting = [one for one in found if one.state is ApprovalState.WAITING]
        if as_json:
            _write({"approvals": [row_document(one) for one in found], "waiting": number})
        else:
            cases = [(one, await desk.case(one)) for one in found]
            console().print(table_of(cases, now))
            if number > len(waiting):
                console().print(f"{number} wait in all: --limit {number} lists them.")
        return 1 if any(one.due_at < now for one in waiting) else 0

    _at_desk(hive, config, work, as_json=as_json)


def _show(
    approval_id: IdArgument,
    hive: HiveOption = DEFAULT_HIVE,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Everything about one: e-mail, claims with their sources, what guardrails and bank say."""

    async def work(desk: Desk) -> int:
        from orchestrator.approvals.show import case_document, case_view
        from orchestrator.report import console

        case = await desk.cases.of(await desk.find(approval_id))
        if as_json:
            _write(case_document(case))
        else:
            console().print(case_view(case, desk.clock()))
        return 0

    _at_desk(hive, config, work, as_json=as_json)


def _approve(
    approval_ids: Annotated[list[str], typer.Argument(help="One, or several at once.")],
    name: AsOption,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask again.")] = False,
    hive: HiveOption = DEFAULT_HIVE,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let an e-mail go out. Several at once: not the first of a segment, nor what is marked."""

    async def work(desk: Desk) -> int:
        by = desk.approver(name)
        if not yes and not as_json and sys.stdin.isatty():
            for approval_id in approval_ids:
                case = await desk.cases.of(await desk.find(approval_id))
                typer.echo(f"{approval_id}: {case.draft.subject!r} to {case.to}", err=True)
            typer.confirm("Let it go out?", abort=True, err=True)
        return _told(await desk.approve(approval_ids, by), as_json=as_json)

    _at_desk(hive, config, work, as_json=as_json)


def _reject(
    approval_id: IdArgument,
    name: AsOption,
    reason: Annotated[
        str,
        typer.Option(
            "--reason",
            help="factual tone wrong_person competitor timing compliance personalization "
            "weak_subject weak_cta length rendering other",
        ),
    ],
    text: Annotated[str, typer.Option("--text", help="In your words; needed for `other`.")] = "",
    hive: HiveOption = DEFAULT_HIVE,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say no, and why: the bank learns it at once."""

    async def work(desk: Desk) -> int:
        answer = await desk.reject(approval_id, desk.approver(name), reason, text)
        return _told([answer], as_json=as_json)

    _at_desk(hive, config, work, as_json=as_json)


def _edit(
    approval_id: IdArgument,
    name: AsOption,
    file: Annotated[
        Path | None,
        typer.Option("--file", help="New text: first line subject, then the body. Else $EDITOR."),
    ] = None,
    hive: HiveOption = DEFAULT_HIVE,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write another text: it goes through every guardrail and then waits for somebody else."""

    async def work(desk: Desk) -> int:
        from orchestrator.approvals.desk import split_text

        by = desk.approver(name)
        case = await desk.cases.of(await desk.find(approval_id))
        given = file.read_text("utf-8") if file else _edited(case.draft.subject, case.draft.body)
        edit_id = await desk.edit(approval_id, by, *split_text(given))
        text = "The queen takes it through every guardrail; `swarm approvals list` shows it then."
        _write({"edit": edit_id}) if as_json else typer.echo(f"{edit_id}: {text}")
        return 0

    _at_desk(hive, config, work, as_json=as_json)


def _edited(subject: str, body: str) -> str:
    import click

    changed = click.edit(f"{subject}\n\n{body}", extension=".txt")
    if changed is None:
        raise typer.Abort
    return str(changed)


def _told(answers: list[Answer], *, as_json: bool) -> int:
    from orchestrator.approvals.desk import exit_code

    documents = [
        {
            "approval_id": answer.approval.approval_id if answer.approval else None,
            "answer": answer.kind.value,
            "text": answer.text,
        }
        for answer in answers
    ]
    if as_json:
        _write({"answers": documents})
    else:
        for each in documents:
            typer.echo(f"{each['approval_id'] or '?'}: {each['text']}")
    return exit_code(answers)


def _at_desk(
    hive: Path, config: Path | None, work: Callable[[Desk], Any], *, as_json: bool
) -> None:
    def run() -> int:
        from orchestrator.approvals.desk import at_desk

        code: int = at_desk(hive, config, work)
        return code

    guarded(as_json, run)


def _write(document: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(document, ensure_ascii=False) + "\n")
