"""Tables at the widths of real terminals: nothing that is copied is broken in two."""

from __future__ import annotations

import os
import re
from io import StringIO

import pytest
from rich.console import Console
from rich.text import Text

from orchestrator.layout import Rows
from orchestrator.report import console

ADDRESS = "misaki.takahashi@kaede-advisory.example"
REASON = "A failing pattern: 4.6 failures of 5.5 trials in this scope, at or over 0.8."


def table(rows: int = 1) -> Rows:
    made = Rows(("Row", "Lead", "Outcome"), "First reason", right=("Row",))
    for number in range(rows):
        made.add(str(number + 9), ADDRESS, Text("blocked", style="red"), told=REASON)
    return made


def shown(made: Rows, width: int) -> list[str]:
    out = StringIO()
    Console(file=out, width=width, color_system=None).print(made)
    return out.getvalue().splitlines()


def test_with_room_sentences_stand_beside() -> None:
    head, first, *_ = shown(table(), 120)
    assert head.split() == ["Row", "Lead", "Outcome", "First", "reason"]
    assert first.startswith(f"  9  {ADDRESS}  blocked  A failing pattern")


@pytest.mark.parametrize("width", [80, 64])
def test_without_room_they_stand_below_and_nothing_else_is_broken(width: int) -> None:
    head, first, *below = shown(table(), width)
    assert head == f"Row  Lead{' ' * (len(ADDRESS) - 2)}Outcome"
    assert first == f"  9  {ADDRESS}  blocked"
    assert " ".join(line.strip() for line in below) == REASON
    assert all(line.startswith("     ") and len(line) <= width for line in below)


def test_numbers_stand_under_each_other() -> None:
    rows = [line for line in shown(table(2), 80) if ADDRESS in line]
    assert [line[:5] for line in rows] == ["  9  ", " 10  "]


def test_short_sentences_need_little_room() -> None:
    made = Rows(("Key",), "Note")
    made.add("send:A-1", told="read back")
    assert shown(made, 24)[1].split() == ["send:A-1", "read", "back"]


def test_a_table_without_rows_is_its_head() -> None:
    assert shown(Rows(("Key",), "Note"), 80)[0].split() == ["Key", "Note"]


def test_without_a_terminal_there_is_room_unless_somebody_says_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert not os.isatty(1) or console().is_terminal
    assert console().is_terminal or console().width == 120
    monkeypatch.setenv("COLUMNS", "80")
    assert console().width == 80


def test_a_sentence_is_neither_broken_nor_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    told = f"bad_input: --project /{'x' * 50}/none: no such folder [/bold] [odd]"
    for terminal in ("1", ""):
        monkeypatch.setenv("FORCE_COLOR", terminal)  # Rich's own way to say that it is one
        made = console()
        made.file = StringIO()
        made.print(told)
        made.print(told, style="bold red")
        lines = re.sub(r"\x1b\[[0-9;]*m", "", made.file.getvalue()).splitlines()
        assert (made.is_terminal, lines) == (bool(terminal), [told, told])
