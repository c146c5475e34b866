"""Breakers and what arrived at the vendors' doors. Owns: the time line and the key picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from orchestrator.campaign.brake_spans import (
    Lane,
    Shut,
    around,
    extent,
    inside,
    lane_of,
    lanes,
    opened,
    shut,
)
from orchestrator.campaign.charts import AXIS, WIDE, interval, nothing
from orchestrator.campaign.record import BreakerSpan, CampaignRecord
from orchestrator.campaign.svg import LETTER, Frame, gutter, legend, picture, rect, steps, text
from orchestrator.campaign.words import clean, clock, lasting, line, many, words

_MOST_LANES = 24
_LANE = 44.0
_MOST_TITLES = 300  # stretches too thin to be pointed at need none
# Height differs as well as colour: a printed or colour-blind reader sees the state too.
_THICK: Final = {"closed": 3.0, "half_open": 9.0, "open": 18.0}
_WORDS: Final = {"closed": "closed", "half_open": "half-open: one probe", "open": "open"}


def breaker_lanes(record: CampaignRecord, width: float = WIDE) -> str:
    """A lane for each breaker; the reason of a change is shown when it is pointed at."""
    calm: dict[Lane, list[BreakerSpan]] = {
        lane: [] for lane in map(lane_of, record.arrivals) if lane is not None
    }
    found = sorted((calm | lanes(record.breakers)).items())
    if not found:
        return nothing(width, "Breakers", "No breaker changed its state.")
    key, high = legend([(f"b-{state}", _WORDS[state]) for state in _THICK], 0, 12, width)
    shown = found[:_MOST_LANES]
    height = high + len(shown) * _LANE + 40
    frame = Frame(width, height, 0, extent(record), 1, 2, 2, high)
    parts = list(key)
    for index, ((vendor, kind), spans) in enumerate(shown):
        times, seconds = opened(spans)
        told = f"opened {times}×, {lasting(seconds)} in all" if times else "never opened"
        y = high + index * _LANE + 14
        room = int((width - LETTER * len(told)) / LETTER) - 2
        parts.append(text(2, y, line(f"{vendor} · {words(kind)}", room), "key"))
        parts.append(text(width - 2, y, told, "soft", "end"))
        vague = [BreakerSpan(vendor=vendor, operation_class=kind, state="closed", start=0,
                             end=frame.end)]  # fmt: skip
        parts += _lane(frame, spans or vague, y + 17)
    parts += frame.time_axis(AXIS)
    if len(found) > len(shown):
        parts.append(text(2, height - 6, f"and {len(found) - len(shown)} more", "soft"))
    return picture(width, height, "Breakers over time", many(len(found), "breaker"), parts)


def _lane(frame: Frame, spans: Sequence[BreakerSpan], middle: float) -> list[str]:
    """One breaker's states; the open ones last, so that none is covered."""
    parts = []
    for state, thick in _THICK.items():
        for left, right, title in _merged(frame, [one for one in spans if one.state == state]):
            wide = max(right - left, 1.5)
            left = min(left, frame.width - frame.right - wide)
            parts.append(rect(left, middle - thick / 2, wide, thick, f"b-{state}", title))
    return parts


def _merged(frame: Frame, spans: Sequence[BreakerSpan]) -> list[tuple[float, float, str]]:
    """(left, right, title) in pixels; spans less than a pixel apart are one."""
    groups: list[list[BreakerSpan]] = []
    for span in spans:
        if groups and frame.x(span.start) - frame.x(groups[-1][-1].end) < 1:
            groups[-1].append(span)
        else:
            groups.append([span])
    return [(frame.x(all_[0].start), frame.x(all_[-1].end), _title(all_)) for all_ in groups]


def _title(spans: Sequence[BreakerSpan]) -> str:
    first, last = spans[0], spans[-1]
    state = _WORDS[first.state].split(":")[0]
    why = f": {clean(first.reason, 240)}" if first.reason else ""
    more = f" ({len(spans)} times)" if len(spans) > 1 else ""
    return f"{state} {clock(first.start)} to {clock(last.end)}{more}{why}"


@dataclass(frozen=True)
class Bar:
    """The busiest second of a stretch at a vendor's door; `wrong` when the door was shut."""

    start: float
    end: float
    requests: int
    wrong: bool = False


def door(
    arrivals: Sequence[tuple[int, int]], stretches: Sequence[Shut], step: int
) -> tuple[Bar, ...]:
    """Bars of `step` seconds, cut where a door shuts.

    A second that was open in part is drawn in its open part: the count of a second cannot say
    more. Of the seconds that were shut as a whole the busiest of each step is a bar, and wrong.
    """
    shuts = [stretch for stretch in stretches if stretch.whole]
    best: dict[tuple[float, float], int] = {}
    wrong: dict[int, Bar] = {}
    for second, requests in sorted(arrivals):
        begin = second // step * step
        if requests <= 0:
            continue
        if inside(shuts, second):
            worst = wrong.get(begin)
            if worst is None or requests > worst.requests:
                wrong[begin] = Bar(second, second + 1, requests, wrong=True)
            continue
        part = next(p for p in _clear(begin, begin + step, shuts) if p[1] > second)
        best[part] = max(best.get(part, 0), requests)
    return (*(Bar(*part, requests) for part, requests in best.items()), *wrong.values())


def _clear(start: float, end: float, shuts: Sequence[Shut]) -> list[tuple[float, float]]:
    """What is left of a stretch of time without the shut ones."""
    left = []
    at = start
    for stretch in islice(shuts, around(shuts, start), None):
        if stretch.start >= end:
            break
        if stretch.start > at:
            left.append((at, stretch.start))
        at = max(at, stretch.end)
    return [*left, (at, end)] if at < end else left


def arrivals(
    record: CampaignRecord,
    at: str,
    width: float = WIDE,
    window: tuple[float, float] | None = None,
) -> str:
    """Requests in each second at one door (`ghl read`), the breaker-open stretches behind."""
    start, end = window or (0.0, extent(record))
    counted = [(s, k) for s, k in record.arrivals.get(at, ()) if start <= s < end]
    stretches = [one for one in shut(record.breakers, at) if one.end > start < end > one.start]
    name = f"Requests at {words(line(at, 60))}"
    if not counted and not stretches:
        return nothing(width, name, "Nothing arrived, and no breaker opened.")
    step = interval(end - start, (width - 60) / 2)
    made = door(counted, stretches, step)
    ticks = steps(max([bar.requests for bar in made] + [1]), 3, whole=True)
    left = gutter(ticks)
    key, high = legend(_keys(stretches, made), left, 12, width - left)
    frame = Frame(width, 182 + high, start, end, ticks[-1], left, 12, high + 24)
    every = f" (the busiest of each {lasting(step)})" if step > 1 else ""
    said = text(left, high + 11, f"requests in a second{every}", "soft")
    parts = [*key, said, *_shades(frame, stretches), *frame.value_axis(ticks)]
    parts += [_bar(frame, bar) for bar in made]
    shuts = [one for one in stretches if one.whole]
    wrong = sum(requests for second, requests in counted if inside(shuts, second))
    story = f"{many(wrong, 'request')} in seconds in which the breaker was open throughout"
    return picture(width, frame.height, name, story, [*parts, *frame.time_axis(AXIS)])


def _keys(stretches: Sequence[Shut], made: Sequence[Bar]) -> list[tuple[str, str]]:
    """Swatches of what this chart has."""
    keys = [("bar", "requests")]
    if any(one.whole for one in stretches):
        keys.append(("shut", "breaker open: none may arrive"))
    if any(not one.whole for one in stretches):
        keys.append(("partly", "open for some calls only"))
    if any(bar.wrong for bar in made):
        keys.append(("wrong", "arrived although open"))
    return keys


def _shades(frame: Frame, stretches: Sequence[Shut]) -> list[str]:
    parts = []
    for one in stretches:
        left, right = frame.x(one.start), frame.x(one.end)
        told = f"breaker open {clock(one.start)} to {clock(one.end)} ({lasting(one.seconds)})"
        title = told if len(stretches) <= _MOST_TITLES else ""
        css = "shut" if one.whole else "partly"
        parts.append(rect(left, frame.top, right - left, frame.floor - frame.top, css, title))
    return parts


def _bar(frame: Frame, bar: Bar) -> str:
    """Never reaches past its end: what follows may be shut."""
    left, right = frame.x(bar.start), frame.x(bar.end)
    gap = 1.0 if right - left > 5 else 0.0
    wide = max(right - left - gap, 0.8)
    css = "wrong" if bar.wrong else "bar"
    title = f"{clock(bar.start)}: {many(bar.requests, 'request')}"
    y = frame.y(bar.requests)
    return rect(right - gap - wide, y, wide, frame.floor - y, css, title)


def closeup(record: CampaignRecord, at: str, seconds: float = 120.0) -> tuple[float, float]:
    """The stretch of time around a door's first trip in which single seconds are seen."""
    first = next((one.start for one in shut(record.breakers, at)), 0.0)
    start = float(max(0, math.floor((first - seconds / 4) / 10) * 10))
    return start, start + seconds
