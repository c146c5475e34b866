"""`swarm inbox`: what came in from outside and is not done. Owns: its arguments."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli_common import DEFAULT_HIVE, HiveOption, JsonOption, guarded
from orchestrator.inbox_state import InboxState

inbox_app = typer.Typer(
    help="What came in by webhook: what waits, what is junk, what failed.", no_args_is_help=True
)


def register(app: typer.Typer) -> None:
    """Add `inbox`."""
    app.add_typer(inbox_app, name="inbox")


@inbox_app.command("list")
def _list(
    state: Annotated[
        InboxState | None, typer.Option("--state", help="Only these; default: all but done.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1)] = 50,
    hive: HiveOption = DEFAULT_HIVE,
    as_json: JsonOption = False,
) -> None:
    """Deliveries, the latest first; exit 1 when one is junk or failed."""
    from orchestrator.inbox_commands import show_inbox

    guarded(as_json, lambda: show_inbox(hive, state, limit, as_json=as_json))


@inbox_app.command("show")
def _show(
    id: Annotated[str, typer.Argument(help="Id of a delivery.")],
    hive: HiveOption = DEFAULT_HIVE,
    as_json: JsonOption = False,
) -> None:
    """One delivery with its body, which names people."""
    from orchestrator.inbox_commands import show_delivery

    guarded(as_json, lambda: show_delivery(hive, id, as_json=as_json))


@inbox_app.command("again")
def _again(
    ids: Annotated[list[str], typer.Argument(help="Ids of deliveries that are junk or failed.")],
    hive: HiveOption = DEFAULT_HIVE,
    as_json: JsonOption = False,
) -> None:
    """Work on them anew: when the trouble is over, or a newer version understands them."""
    from orchestrator.inbox_commands import take_up

    guarded(as_json, lambda: take_up(hive, ids, as_json=as_json))
