"""Every lead with and without faults, as one picture. Owns: the lead matrix and its limits."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from orchestrator.campaign.charts import WIDE, nothing
from orchestrator.campaign.record import LeadResult
from orchestrator.campaign.svg import esc, legend, n, picture, rect, text
from orchestrator.campaign.words import STATES, VERDICTS, clean, letter, line, many

MOST_ROWS: Final = 60
_ROW = 21.0
_GRAVE: Final = ("lost", "doubled", "different", "more_cautious", "same")
_MARK: Final = {"same": "✓", "more_cautious": "~", "different": "≠", "lost": "✗", "doubled": "2×"}


@dataclass(frozen=True)
class Cell:
    """One column of one lead: a state, or several rounds of which some may differ."""

    state: str
    title: str
    mixed: bool = False

    @property
    def css(self) -> str:
        return (
            f"m-{self.state}" if self.state in STATES else ("m-none" if not self.state else "m-x")
        )

    @property
    def mark(self) -> str:
        return letter(self.state) if self.state else "·"


def cells(lead: LeadResult, rounds: int, columns: int) -> list[Cell]:
    """The lead's rounds in at most `columns` cells; a differing round decides its cell."""
    size = max(1, math.ceil(rounds / max(columns, 1)))
    made = []
    for first in range(0, rounds, size):
        part = lead.under_faults[first : min(first + size, rounds)]
        last = min(first + size, rounds)
        name = f"round {first + 1}" if last == first + 1 else f"rounds {first + 1} to {last}"
        counted = Counter(part)
        told = ", ".join(f"{k} {clean(state, 40)}" for state, k in counted.most_common(6))
        others = [(k, state) for state, k in counted.items() if state != lead.baseline]
        state = max(others)[1] if others else (lead.baseline if part else "")
        made.append(Cell(state, f"{name}: {told or 'no result'}", len(counted) > 1))
    return made


def chosen(leads: Sequence[LeadResult]) -> list[LeadResult]:
    """The leads that are drawn: first those that differ, then by row."""
    return sorted(leads, key=lambda lead: (_GRAVE.index(lead.verdict), lead.row))[:MOST_ROWS]


def lead_matrix(leads: Sequence[LeadResult], width: float = WIDE) -> str:
    """Rows are leads; columns are the baseline, the rounds with faults, and afterwards."""
    if not leads:
        return nothing(width, "Leads", "No lead was decided.")
    shown = chosen(leads)
    wide = width > 600
    rounds = max(len(lead.under_faults) for lead in leads)
    left, right = (236.0, 196.0) if wide else (112.0, 30.0)
    fits = int((width - left - right - 2 * 12) / 13) - 2
    drawn = [cells(lead, rounds, fits) for lead in shown]
    columns = len(drawn[0])
    size = min(26.0, (width - left - right - 24) / (columns + 2))
    states = {cell.state for row in drawn for cell in row}
    states |= {state for lead in shown for state in (lead.baseline, lead.after)}
    key, high = legend(_keys(states), 0, 12, width)
    at = [left, left + size + 12, left + size + 24 + columns * size]
    parts = [*key, *_heads(at, size, columns, high + 15, wide)]
    for index, (lead, row) in enumerate(zip(shown, drawn, strict=True)):
        y = high + 24 + index * _ROW
        parts.append(text(0, y + 14, line(lead.lead_id, 34 if wide else 16), "key mono"))
        parts += _run(at[0], y, size, [Cell(lead.baseline, f"without faults: {lead.baseline}")])
        parts += _run(at[1], y, size, row)
        parts += _run(at[2], y, size, [Cell(lead.after, f"after the faults: {lead.after}")])
        parts.append(_verdict(lead, at[2] + size + 10, y + 14, wide))
    bottom = high + 24 + len(shown) * _ROW
    for said in _notes(leads, shown, rounds, columns):
        bottom += 18
        parts.append(text(0, bottom, said, "soft"))
    story = f"{many(len(leads), 'lead')} over {many(rounds, 'round')}"
    return picture(width, bottom + 8, "Leads with and without faults", story, parts)


def _verdict(lead: LeadResult, x: float, y: float, wide: bool) -> str:
    told = VERDICTS[lead.verdict] if wide else ""
    css = "key good" if lead.verdict == "same" else f"key v-{lead.verdict}"
    return text(x, y, f"{_MARK[lead.verdict]} {told}".strip(), css)


def _keys(states: Set[str]) -> list[tuple[str, str]]:
    found = [(f"m-{name}", f"{mark} {told}") for name, (mark, told) in STATES.items()
             if name in states]  # fmt: skip
    return [
        *found,
        *([("m-x", "! lost: no known state")] if states - set(STATES) - {""} else []),
    ]


def _heads(at: Sequence[float], size: float, columns: int, y: float, wide: bool) -> list[str]:
    if not wide:
        return [text(at[1], y, "rounds with faults", "soft")] if columns > 8 else []
    names = ("without faults", "rounds with faults", "after")
    place = (at[0] + size, at[1] + 4, at[2] + 14)
    ends = ("end", "start", "start")
    shown = [text(x, y, name, "soft", end) for x, name, end in zip(place, names, ends, strict=True)]
    return shown if columns > 7 else [shown[0], shown[2]][:1]


def _run(x: float, y: float, size: float, row: Sequence[Cell]) -> list[str]:
    """Cells side by side; equal ones are one rectangle, all letters are one text."""
    parts, index = [], 0
    for (css, mixed), group in groupby(row, key=lambda cell: (cell.css, cell.mixed)):
        same = list(group)
        title = same[0].title if len(same) == 1 else f"{same[0].title} … {same[-1].title}"
        left = x + index * size
        parts.append(rect(left, y, len(same) * size - 1, _ROW - 3, css, title))
        if mixed:
            parts += [rect(left + k * size, y, size - 1, 3, "mixed") for k in range(len(same))]
        index += len(same)
    places = " ".join(n(x + (k + 0.5) * size) for k in range(len(row)))
    if row:
        marks = esc("".join(cell.mark for cell in row))
        parts.append(f'<text x="{places}" y="{n(y + 13)}" class="mark">{marks}</text>')
    return parts


def _notes(
    leads: Sequence[LeadResult], shown: Sequence[LeadResult], rounds: int, columns: int
) -> list[str]:
    said = []
    if columns and rounds > columns:
        said.append(
            f"A column is {math.ceil(rounds / columns)} rounds; a bar on top: not all alike"
        )
    hidden = len(leads) - len(shown)
    if hidden:
        alike = all(lead.verdict == "same" for lead in leads if lead not in shown)
        said.append(f"and {many(hidden, 'more lead')}" + (", all the same" if alike else ""))
    return said
