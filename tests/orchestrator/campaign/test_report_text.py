"""The report on a terminal."""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from orchestrator.campaign.record import CampaignRecord
from orchestrator.campaign.report_text import render
from tests.orchestrator.campaign.report_samples import held, hostile, lead, question, record


def shown(given: CampaignRecord, width: int = 80, *paths: Path) -> str:
    console = Console(width=width, file=io.StringIO(), force_terminal=False, record=True)
    console.print(render(given, paths))
    return console.export_text()


def test_it_begins_with_the_verdict_and_ends_with_where_the_rest_is() -> None:
    text = shown(held(), 80, Path("chaos/report.html"), Path("chaos/report.json"))

    assert text.startswith("✓ THE SWARM HELD")
    assert text.rstrip().endswith("chaos/report.json")
    assert "--seed 7" in text


def test_a_question_that_does_not_hold_is_marked() -> None:
    text = shown(record(questions=(question(), question(False, text="Was a lead lost?"))))

    assert text.startswith("✗ THE SWARM DID NOT HOLD")
    assert "✗ Was a lead lost?" in text
    assert "✓ Did anything crash?" in text


def test_no_question_is_no_pass() -> None:
    assert "never a pass" in shown(record())


def test_leads_that_ended_wrongly_are_named_and_the_cautious_ones_are_not() -> None:
    leads = (
        lead(2, "review", ("deferred",), verdict="more_cautious"),
        lead(3, "review", ("lost",), verdict="lost"),
    )

    text = shown(record(leads=leads))

    assert "row 3 lead_3: lost (without faults review)" in text
    assert "row 2" not in text


def test_outside_text_moves_no_cursor_and_is_no_markup() -> None:
    text = shown(hostile())

    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "[/nothing]" in shown(record(command="run [/nothing]"))
