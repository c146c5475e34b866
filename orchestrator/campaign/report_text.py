"""A campaign for a terminal. Owns: the verdict, the questions and where the rest is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from orchestrator.campaign.record import CampaignRecord
from orchestrator.campaign.report_figures import figures
from orchestrator.campaign.report_findings import finding, proposal
from orchestrator.campaign.words import VERDICTS, clean, count, lasting, line, many

_MOST = 8


def render(record: CampaignRecord, paths: Sequence[Path] = ()) -> RenderableType:
    """What a person reads when a campaign is over; `paths`: the files with all of it."""
    parts: list[RenderableType] = [_verdict(record), Text(), _questions(record), Text()]
    parts.append(_figures(record))
    changed = [lead for lead in record.leads if lead.verdict not in ("same", "more_cautious")]
    if changed:
        parts.append(Text("\nLeads that ended wrongly", style="bold red"))
        for lead in changed[:_MOST]:
            told = f"  row {lead.row} {line(lead.lead_id, 60)}: {VERDICTS[lead.verdict]}"
            parts.append(Text(f"{told} (without faults {line(lead.baseline, 40)})"))
        if len(changed) > _MOST:
            parts.append(Text(f"  and {len(changed) - _MOST} more", style="dim"))
    parts += _causes(record)
    parts.append(Text.assemble(("\nThe same again: ", "bold"), clean(record.command)))
    for path in paths:
        name = "Charts and all:" if path.suffix == ".html" else "As JSON:"
        parts.append(Text.assemble((f"{name:<16}", "bold"), line(path, 1000)))
    return Group(*parts)


def _verdict(record: CampaignRecord) -> Text:
    held = sum(question.holds for question in record.questions)
    style = "bold green" if record.passed else "bold red"
    said = "✓ THE SWARM HELD" if record.passed else "✗ THE SWARM DID NOT HOLD"
    what = "sweep" if record.kind == "sweep" else f"rate {record.rate:g}"
    sandbox = ", sandbox" if record.sandbox else ""
    asked = (
        f"{held} of {len(record.questions)} questions answered as they must be"
        if record.questions
        else "no question was answered, and that is never a pass"
    )
    told = f"\n{asked}; {lasting(record.seconds)}, {what}, seed {record.seed}{sandbox}"
    return Text.assemble((said, style), told, (f"\n{line(record.campaign_id)}", "dim"))


def _questions(record: CampaignRecord) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(width=1)
    table.add_column(ratio=1, overflow="fold")
    for question in record.questions:
        mark = Text("✓", style="green") if question.holds else Text("✗", style="bold red")
        style = "bold" if question.holds else "bold red"
        told = Text.assemble((clean(question.text), style), f"\n{clean(question.answer)}")
        table.add_row(mark, told)
    return table


def _figures(record: CampaignRecord) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(justify="right", style="bold")
    table.add_column()
    table.add_column(style="dim", overflow="fold")
    for figure in figures(record):
        table.add_row(Text(figure.value), Text(figure.name), Text(figure.remark))
    return table


def _causes(record: CampaignRecord) -> list[RenderableType]:
    found = [finding(cluster) for cluster in record.clusters]
    if not found:
        return []
    parts: list[RenderableType] = [Text("\nWhat failed", style="bold")]
    for one in found[:_MOST]:
        parts.append(Text(f"  {count(one.count):>7}  {line(one.title, 100)}"))
    if len(found) > _MOST:
        parts.append(Text(f"           and {len(found) - _MOST} more causes", style="dim"))
    made = [proposal(document) for document in record.proposals]
    title = f"\nAuto-Fix: {many(len(made), 'proposal')}" + (", none applied" if made else "")
    parts.append(Text(title, style="bold"))
    for fix in made[:_MOST]:
        parts.append(Text(f"  {fix.name}  {fix.title}"))
    return parts
