"""`swarm bank`: the reasoning bank. Owns: its arguments.

Looking costs nothing; an act needs a reason, is on the audit record before it counts, and is an
event of the bank, so that it merges with other machines'.
"""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli_common import DEFAULT_HIVE, ConfigOption, HiveOption, JsonOption, guarded

ItemArgument = Annotated[str, typer.Argument(help="Id of an item, or how it begins.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why; kept on the record.")]
SinceOption = Annotated[str, typer.Option("--since", help="How far back: 30m, 24h, 7d.")]


def register(app: typer.Typer) -> None:
    """Add `bank` and its commands."""
    bank = typer.Typer(help="The reasoning bank.", no_args_is_help=True)
    for name, command in (
        ("show", _show), ("explain", _explain), ("golden", _golden), ("learned", _learned),
        ("precision", _precision), ("label", _label), ("retire", _retire),
        ("release", _release), ("promote", _promote), ("promote-success", _promote_success),
    ):  # fmt: skip
        bank.command(name)(command)
    app.add_typer(bank, name="bank")


def _show(
    hive: HiveOption = DEFAULT_HIVE, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """What the swarm has learned: every item with its numbers and its effect today."""
    from orchestrator.learning.commands import show_bank

    guarded(as_json, lambda: show_bank(hive, config, as_json=as_json))


def _explain(
    item: ItemArgument,
    hive: HiveOption = DEFAULT_HIVE,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """One item whole: evidence, numbers, effect, and what would change it."""
    from orchestrator.learning.commands import explain_item

    guarded(as_json, lambda: explain_item(item, hive, config, as_json=as_json))


def _golden(
    hive: HiveOption = DEFAULT_HIVE, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """The success patterns: configured ones, and what people promoted."""
    from orchestrator.learning.commands import show_golden

    guarded(as_json, lambda: show_golden(hive, config, as_json=as_json))


def _learned(
    since: SinceOption = "7d",
    hive: HiveOption = DEFAULT_HIVE,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """What was learned when, and from whom. Exit 1 when a lesson waits that cannot be read."""
    from orchestrator.learning.commands import show_learned

    guarded(as_json, lambda: show_learned(hive, config, since, as_json=as_json))


def _precision(hive: HiveOption = DEFAULT_HIVE, as_json: JsonOption = False) -> None:
    """Of what the bank blocked, how much a person would have sent: by people's own words."""
    from orchestrator.learning.commands import show_precision

    guarded(as_json, lambda: show_precision(hive, as_json=as_json))


def _label(
    audit_id: Annotated[str, typer.Argument(help="Record of a draft that the bank blocked.")],
    would_send: Annotated[
        bool, typer.Option("--would-send/--would-not", help="Whether you would have sent it.")
    ],
    reason: ReasonOption,
    hive: HiveOption = DEFAULT_HIVE,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say whether a blocked draft should have gone out. It still does not go out."""
    from orchestrator.learning.commands import label_block

    guarded(
        as_json, lambda: label_block(audit_id, would_send, reason, hive, config, as_json=as_json)
    )


def _retire(
    item: ItemArgument,
    reason: ReasonOption,
    hive: HiveOption = DEFAULT_HIVE,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take an item out: its evidence up to now no longer counts."""
    from orchestrator.learning.commands import act_on

    guarded(as_json, lambda: act_on(item, "retired", reason, hive, config, as_json=as_json))


def _release(
    item: ItemArgument,
    reason: ReasonOption,
    hive: HiveOption = DEFAULT_HIVE,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Allow one probe: a learned block is a review until the next outcome."""
    from orchestrator.learning.commands import act_on

    guarded(as_json, lambda: act_on(item, "released", reason, hive, config, as_json=as_json))


def _promote(
    item: ItemArgument,
    reason: ReasonOption,
    hive: HiveOption = DEFAULT_HIVE,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Confirm a quarantined item: what only answers said up to now counts."""
    from orchestrator.learning.commands import act_on

    guarded(as_json, lambda: act_on(item, "promoted", reason, hive, config, as_json=as_json))


def _promote_success(
    name: Annotated[str, typer.Argument(help="Ledger key of an e-mail, or a lead id.")],
    reason: ReasonOption,
    hive: HiveOption = DEFAULT_HIVE,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add an e-mail that succeeded to the golden set, by its structure. Kept in the bank."""
    from orchestrator.learning.commands import promote

    guarded(as_json, lambda: promote(name, reason, hive, config, as_json=as_json))
