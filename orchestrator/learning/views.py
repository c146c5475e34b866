"""The bank on a terminal. Owns: tables and sentences."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table

from guardrails.bank import BankRow
from guardrails.bank.models import Item
from orchestrator.layout import Rows
from orchestrator.learning.learned import Learned, Queue
from orchestrator.learning.precision import Precision


def table(version: str, rows: Sequence[BankRow]) -> RenderableType:
    """Every item with its numbers."""
    made = Rows(("Item", "Effect", "Failures"), "What, and where")
    for row in rows:
        effect = row.effect if row.status == "active" else f"{row.effect} ({row.status})"
        counted = "" if row.kind == "golden" else f"{row.k:g} of {row.n:g}"
        if row.probability is not None:
            counted += f", P {row.probability:.2f}"
        where = "" if row.scope in row.title else f" ({row.scope})"
        made.add(row.id, effect, counted, told=f"{row.title}{where}; {row.trust}")
    return Group(f"Reasoning bank {version}", made)


def golden(items: Sequence[Item]) -> RenderableType:
    """Golden items and where they come from."""
    if not items:
        return "No golden patterns."
    made = Table(box=None, header_style="bold")
    for name in ("Item", "Status", "Successes", "Pattern", "From"):
        made.add_column(name, overflow="fold", no_wrap=name in ("Item", "Status"))
    for item in items:
        structure = ", ".join(f"{name}={value}" for name, value in item.match.features.items())
        by = sorted({one.actor for one in item.evidence if one.outcome == "golden"})
        made.add_row(
            item.id, item.status, f"{item.beta:g}", f"{item.title}\n{structure}", ", ".join(by)
        )
    return made


def learned(found: Sequence[Learned], queue: Queue) -> RenderableType:
    """What was learned, the latest first, and what waits."""
    made = Rows(("Learned (UTC)", "What", "From whom"), "Items it touched")
    for one in found:
        what = one.outcome.replace("_", " ") + (f" ({one.reason_code})" if one.reason_code else "")
        words = [f"“{one.text}”"] if one.text else []
        items = [f"{id} {title} [{status}]" for id, title, status in one.items]
        who = f"{one.who} ({one.trust.replace('_', ' ')})"
        made.add(f"{one.learned_at:%Y-%m-%d %H:%M:%S}", what, who, told="\n".join(words + items))
    parts: list[RenderableType] = [made if found else "Nothing was learned in that time."]
    if queue.waiting:
        parts.append(f"{queue.waiting} lessons are not in the bank yet.")
    if queue.unreadable:
        parts.append(f"These cannot be read: {', '.join(queue.unreadable)}")
    return Group(*parts)


def precision(found: Precision) -> str:
    """The share, or that it is unknown."""
    drafts = "1 draft" if found.blocked == 1 else f"{found.blocked} drafts"
    blocked = f"The bank blocked {drafts} by what it learned"
    hard = f"Blocked by a person's own former word, and not counted: {found.hard}."
    if not found.blocked:
        said = f"{blocked}. Block precision: unknown, there is nothing to judge yet."
    elif found.share is None or found.interval is None:
        said = f"{blocked}. Block precision: unknown, nobody has labelled any of them."
    else:
        low, high = found.interval
        said = (
            f"{blocked}; people labelled {found.labelled} of them and would not have sent "
            f"{found.right}.\nBlock precision: {found.share:.0%} "
            f"(n = {found.labelled}, {found.level:.0%} credible {low:.0%} to {high:.0%})."
        )
    lines = [said, hard]
    if found.unlabelled:
        lines.append(
            "Unlabelled, latest first (`swarm bank label ID --would-send/--would-not --reason …`; "
            "take them as they come, a choice of yours would bend the number):"
        )
        lines += [f"  {audit_id}" for audit_id in found.unlabelled]
    return "\n".join(lines)
