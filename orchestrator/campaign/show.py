"""A campaign for whoever started it. Owns: live view, report files, what is printed, exit code."""

from __future__ import annotations

from orchestrator.campaign.campaign import lay_out, run_campaign, save
from orchestrator.campaign.live import LiveView
from orchestrator.campaign.plan import Plan
from orchestrator.campaign.report_html import write_html
from orchestrator.campaign.report_text import render
from orchestrator.environment import Environment
from orchestrator.report import console


async def conduct(plan: Plan, environment: Environment, *, quiet: bool) -> tuple[int, str]:
    """Run it and report: exit code (0 when all holds, else 1) and the record as JSON.

    Args:
        quiet: nothing is printed.

    Raises:
        SwarmError: it could not even begin.
    """
    if not plan.sandbox:
        environment.require()
    ground = lay_out(plan, environment)
    with LiveView(quiet=quiet) as view:
        record = await run_campaign(plan, ground, view.update)
    path = save(record, ground)
    write_html(record, ground.html)
    if not quiet:
        console().print(render(record, (path, ground.html)))
    return (0 if record.passed else 1), record.model_dump_json()
