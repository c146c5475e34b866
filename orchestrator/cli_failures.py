"""`swarm failures`, `swarm fixes`, `swarm quarantine`. Owns: their arguments and exit codes."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli_common import DEFAULT_HIVE, ConfigOption, HiveOption, JsonOption, guarded

SinceOption = Annotated[
    str, typer.Option("--since", help="How far back: 30m, 24h, 7d.", show_default=True)
]
FixArgument = Annotated[str, typer.Argument(help="Id of a proposal, F-….")]
LeadArgument = Annotated[str, typer.Argument(help="Lead id.")]
YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask.")]

fixes_app = typer.Typer(
    help="Auto-Fix: proposals from failures. A person applies them; each can be taken back.",
    no_args_is_help=True,
)
quarantine_app = typer.Typer(
    help="Leads that are left alone because they always fail.", no_args_is_help=True
)


def register(app: typer.Typer) -> None:
    """Add these commands to `swarm`."""
    app.command("failures")(failures)
    app.add_typer(fixes_app, name="fixes")
    app.add_typer(quarantine_app, name="quarantine")


def failures(
    since: SinceOption = "24h",
    run: Annotated[str | None, typer.Option("--run", help="Of this run only.")] = None,
    hive: HiveOption = DEFAULT_HIVE,
    as_json: JsonOption = False,
) -> None:
    """What failed, by cause: how often, since when, how many leads, what it cost."""
    from orchestrator.fixes.commands import show_failures

    guarded(as_json, lambda: show_failures(hive, since, run, as_json=as_json))


@fixes_app.command("list")
def fixes_list(
    since: SinceOption = "24h",
    hive: HiveOption = DEFAULT_HIVE,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Diagnose the latest failures and list every proposal."""
    from orchestrator.fixes.commands import list_fixes

    guarded(as_json, lambda: list_fixes(hive, config, since, as_json=as_json))


@fixes_app.command("show")
def fixes_show(
    id: FixArgument,
    hive: HiveOption = DEFAULT_HIVE,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """One proposal: diagnosis, evidence, the patch as a diff, and its effect."""
    from orchestrator.fixes.commands import show_fix

    guarded(as_json, lambda: show_fix(id, hive, config, as_json=as_json))


@fixes_app.command("measure")
def fixes_measure(
    id: FixArgument,
    hive: HiveOption = DEFAULT_HIVE,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Replay the failed leads against the twins, without and with the patch."""
    from orchestrator.fixes.commands import measure_fix

    guarded(as_json, lambda: measure_fix(id, hive, config, as_json=as_json))


@fixes_app.command("apply")
def fixes_apply(
    id: FixArgument,
    yes: YesOption = False,
    hive: HiveOption = DEFAULT_HIVE,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change config/ as proposed: audited first, and reversible."""
    from orchestrator.fixes.commands import apply_fix

    guarded(as_json, lambda: apply_fix(id, hive, config, yes=yes, as_json=as_json))


@fixes_app.command("revert")
def fixes_revert(
    id: FixArgument,
    yes: YesOption = False,
    hive: HiveOption = DEFAULT_HIVE,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take an applied proposal back; refused when the file changed there since."""
    from orchestrator.fixes.commands import revert_fix

    guarded(as_json, lambda: revert_fix(id, hive, config, yes=yes, as_json=as_json))


@quarantine_app.command("list")
def quarantine_list(hive: HiveOption = DEFAULT_HIVE, as_json: JsonOption = False) -> None:
    """Every lead that is left alone, and why."""
    from orchestrator.fixes.commands import list_quarantine

    guarded(as_json, lambda: list_quarantine(hive, as_json=as_json))


@quarantine_app.command("release")
def quarantine_release(
    lead: LeadArgument, hive: HiveOption = DEFAULT_HIVE, as_json: JsonOption = False
) -> None:
    """Let a lead be worked on again in the next run; audited."""
    from orchestrator.fixes.commands import release_lead

    guarded(as_json, lambda: release_lead(lead, hive, as_json=as_json))
