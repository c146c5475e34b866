"""The campaign's charts over time, and its bars. Owns: what is drawn of faults and figures.

Pure: data in, SVG text out, bounded whatever the length of the campaign. Breakers and arrivals
are in `charts_brakes`, leads in `charts_leads`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from orchestrator.campaign.brake_spans import extent
from orchestrator.campaign.record import CampaignRecord, Sample
from orchestrator.campaign.svg import (
    LETTER,
    Frame,
    Point,
    gutter,
    legend,
    n,
    picture,
    polyline,
    rect,
    rule,
    steps,
    text,
    thin,
)
from orchestrator.campaign.words import FAMILIES, count, family, lasting, line, many, money

WIDE: Final = 960.0
NARROW: Final = 400.0  # the same chart for a phone
SMALL: Final = 460.0
AXIS: Final = "minutes and seconds since the faults began"
_INTERVALS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600)
_MOST_BARS = 40


def nothing(width: float, name: str, why: str) -> str:
    """In place of a chart without data: says so instead of drawing an empty frame."""
    return picture(width, 44, name, why, [text(0, 26, why, "soft")])


def interval(seconds: float, most: float) -> int:
    """Round seconds of which at most `most` make `seconds`."""
    found = next((step for step in _INTERVALS if seconds / step <= most), None)
    return found or math.ceil(seconds / most)


def fault_areas(record: CampaignRecord, width: float = WIDE) -> str:
    """Faults in each interval, stacked by family."""
    name = "Faults over time"
    if not record.faults:
        return nothing(width, name, "No fault was put anywhere.")
    end = extent(record)
    step = interval(end, width / 12)
    bins = max(1, math.ceil(end / step))
    counted = Counter(
        (family(fault.fault), min(bins - 1, max(0, int(fault.t // step))))
        for fault in record.faults
    )
    drawn = [name for name in FAMILIES if any((name, index) in counted for index in range(bins))]
    totals = [sum(counted[name, index] for name in drawn) for index in range(bins)]
    ticks = steps(max(totals), 4, whole=True)
    left = gutter(ticks)
    sums = {name: sum(counted[name, index] for index in range(bins)) for name in drawn}
    keys = [(f"s{_order(name)}", f"{name} {count(sums[name])}") for name in drawn]
    key, high = legend(keys, left, 12, width - left)
    frame = Frame(width, 204 + high, 0, max(end, bins * step), ticks[-1], left, 16, high + 24)
    said = f"faults in each {lasting(step) if step > 1 else 'second'}"
    parts = [*key, text(left, high + 11, said, "soft"), *frame.value_axis(ticks)]
    below = [0] * bins
    for name in drawn:
        above = [low + counted[name, index] for index, low in enumerate(below)]
        parts.append(_area(frame, step, below, above, f"s{_order(name)}"))
        below = above
    story = f"{many(len(record.faults), 'fault')} in {lasting(end)}"
    return picture(width, frame.height, "Faults over time", story, [*parts, *frame.time_axis(AXIS)])


def _order(name: str) -> int:
    return list(FAMILIES).index(name) + 1


def _area(frame: Frame, step: int, low: Sequence[int], high: Sequence[int], css: str) -> str:
    """A stepped band between two edges; where it has no height it leaves no line."""
    edges = [(frame.x(i * step), frame.x((i + 1) * step)) for i in range(len(low))]
    parts = [
        f"M{n(left)} {n(frame.y(low[i]))}V{n(frame.y(high[i]))}H{n(right)}V{n(frame.y(low[i]))}Z"
        for i, (left, right) in enumerate(edges)
        if high[i] > low[i]
    ]
    return f'<path d="{"".join(parts)}" class="{css}"/>'


@dataclass(frozen=True)
class Series:
    """One line of a line chart."""

    name: str
    css: str
    points: Sequence[Point]


def lines(
    name: str,
    series: Sequence[Series],
    end: float,
    *,
    written: Callable[[float], str] = count,
    cap: float | None = None,
    width: float = SMALL,
) -> str:
    """Lines over time, each with its name and last value at its end."""
    seen = [one for one in series if one.points]
    if not seen:
        return nothing(width, name, "No sample was taken.")
    high = max(value for one in seen for _, value in one.points)
    near = cap if cap and cap <= 4 * high else 0.0  # a far cap would press the line to the floor
    ticks = steps(max(high, near), 3, whole=written is count)
    labels = [f"{one.name} {written(one.points[-1][1])}".strip() for one in seen]
    right = 12 + LETTER * max(len(label) for label in labels)
    frame = Frame(width, 170, 0, end, ticks[-1], gutter(ticks, written), right, 12, 26)
    parts = [*frame.value_axis(ticks, written), *frame.time_axis()]
    parts += _cap(frame, cap, near, written) if cap else []
    for one in seen:
        dots = [(frame.x(t), frame.y(value)) for t, value in thin(one.points)]
        parts.append(polyline(dots, f"line {one.css}"))
        if len(dots) == 1:
            parts.append(rect(dots[0][0] - 2, dots[0][1] - 2, 4, 4, f"dot {one.css}"))
    ends = [frame.y(one.points[-1][1]) + 4 for one in seen]
    last = max(frame.x(one.points[-1][0]) for one in seen) + 6
    for label, y in zip(labels, _apart(ends), strict=True):
        parts.append(text(min(last, width - right + 6), y, label, "key"))
    return picture(width, frame.height, name, "; ".join(labels), parts)


def _cap(frame: Frame, cap: float, near: float, written: Callable[[float], str]) -> list[str]:
    """A cap as a line where it is `near`, and else in words."""
    right = frame.width - frame.right
    if not near:
        said = f"cap {written(cap)}, above this chart"
        return [text(frame.left + 5, frame.top + 14, said, "soft")]
    y = frame.y(near)
    return [
        rule(frame.left, y, right, y, "cap"),
        text(frame.left + 5, y + 14, f"cap {written(cap)}", "soft"),
    ]


def _apart(ys: Sequence[float], gap: float = 14) -> list[float]:
    """The same heights, moved so that no two labels touch."""
    order = sorted(range(len(ys)), key=lambda index: ys[index], reverse=True)
    placed = list(ys)
    for lower, upper in pairwise(order):
        placed[upper] = min(placed[upper], placed[lower] - gap)
    return placed


def course(record: CampaignRecord) -> tuple[tuple[str, str], ...]:
    """(title, chart) of every figure that was sampled, small enough to stand side by side."""
    end = extent(record)

    def of(value: Callable[[Sample], float]) -> list[Point]:
        return [(sample.t, value(sample)) for sample in record.samples]

    def one(css: str, value: Callable[[Sample], float]) -> list[Series]:
        return [Series("", css, of(value))]

    twice = [
        Series("retries", "l1", of(lambda s: s.retries)),
        Series("failures", "l2", of(lambda s: s.failures)),
    ]
    cap = record.spend.get("cap_micros") or None
    drawn = (
        ("Leads decided", one("l1", lambda s: s.leads_done), count, None),
        ("Retries and failures", twice, count, None),
        ("Spend against the cap", one("l3", lambda s: s.spend_micros), money, cap),
        ("Restarts of servers", one("l2", lambda s: s.restarts), count, None),
        ("Memory, queen and servers", one("l4", lambda s: s.memory_mb), _megabytes, None),
        ("Open files, queen and servers", one("l4", lambda s: s.open_files), count, None),
    )
    return tuple(
        (name, lines(name, series, end, written=written, cap=limit))
        for name, series, written, limit in drawn
    )


def _megabytes(value: float) -> str:
    return f"{value:,.0f} MB"


def bars(name: str, rows: Sequence[tuple[str, float, str]], width: float = WIDE) -> str:
    """(label, number, class) as bars, the largest first; narrow: each under its label."""
    shown = sorted(rows, key=lambda row: -row[1])[:_MOST_BARS]
    if not shown:
        return nothing(width, name, "There was none.")
    most = max(number for _, number, _ in shown) or 1.0
    beside = width > 600
    left = min(width / 2, LETTER * max(len(label) for label, _, _ in shown) + 14) if beside else 0
    high = 22.0 if beside else 36.0
    room = width - left - 12 - LETTER * max(len(count(number)) for _, number, _ in shown)
    fits = int((left if beside else width) / LETTER) - 1
    parts: list[str] = []
    for index, (label, number, css) in enumerate(shown):
        y = index * high + (0 if beside else 17)
        parts.append(text(0, index * high + 13, line(label, fits), "key"))
        long = max(1.5, number / most * room)
        parts.append(rect(left, y + 3, long, 12, css, f"{label}: {count(number)}"))
        parts.append(text(left + long + 6, y + 13, count(number), "tick"))
    hidden = len(rows) - len(shown)
    if hidden:
        parts.append(text(0, len(shown) * high + 13, f"and {hidden} smaller ones", "soft"))
    tall = len(shown) * high + (22 if hidden else 0)
    return picture(width, tall, name, many(len(rows), "row"), parts)


def fault_bars(record: CampaignRecord, width: float = WIDE) -> str:
    """How often each kind of fault was put somewhere, in its family's colour."""
    kinds: Mapping[str, int] = Counter(fault.fault for fault in record.faults)
    rows = [
        (line(kind, 80).replace("_", " "), number, f"s{_order(family(kind))}")
        for kind, number in kinds.items()
    ]
    return bars("Faults by kind", rows, width)
