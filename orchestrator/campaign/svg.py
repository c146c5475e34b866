"""SVG by hand. Owns: scales, ticks, axes and legends of the campaign's charts.

A chart is text that a page holds as it is: no script, no outside resource, every string escaped.
Colours are classes (templates/report.css), so that light, dark and print have their own.
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from orchestrator.campaign.words import clean, clock, count

Point = tuple[float, float]
MOST_POINTS = 600  # of one line or area: more than a screen can tell apart
LETTER = 6.4  # width of a letter of the charts' 12 px text, a little more than the usual


def esc(text: object) -> str:
    """`text` for SVG, in an element or in a quoted attribute."""
    return html.escape(clean(text))


def n(value: float) -> str:
    """A coordinate: one decimal is a tenth of a pixel."""
    return f"{value:.1f}".removesuffix(".0")


def text(x: float, y: float, what: str, css: str = "", anchor: str = "start") -> str:
    """A label."""
    kind = f' class="{css}"' if css else ""
    at = f' text-anchor="{anchor}"' if anchor != "start" else ""
    return f'<text x="{n(x)}" y="{n(y)}"{kind}{at}>{esc(what)}</text>'


def rect(x: float, y: float, width: float, height: float, css: str, title: str = "") -> str:
    """A rectangle; `title` is shown when it is pointed at."""
    inner = f"><title>{esc(title)}</title></rect>" if title else "/>"
    size = f'width="{n(max(width, 0))}" height="{n(max(height, 0))}"'
    return f'<rect x="{n(x)}" y="{n(y)}" {size} class="{css}"{inner}'


def rule(x1: float, y1: float, x2: float, y2: float, css: str) -> str:
    """A straight line."""
    return f'<line x1="{n(x1)}" y1="{n(y1)}" x2="{n(x2)}" y2="{n(y2)}" class="{css}"/>'


def polyline(points: Sequence[Point], css: str) -> str:
    """A line through points that are already in pixels."""
    path = " ".join(f"{n(x)},{n(y)}" for x, y in points)
    return f'<polyline points="{path}" class="{css}"/>'


def picture(width: float, height: float, name: str, story: str, parts: Sequence[str]) -> str:
    """The whole chart, with what it shows for those who cannot see it."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" role="img" '
        f'aria-label="{esc(f"{name}. {story}".strip())}" viewBox="0 0 {n(width)} {n(height)}">'
        + "".join(parts)
        + "</svg>"
    )


def steps(high: float, wanted: int, whole: bool = False) -> tuple[float, ...]:
    """Round values from 0 to the first one that is not below `high`."""
    high = high if high > 0 and math.isfinite(high) else 1.0
    rough = high / max(wanted, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next((m * power for m in (1, 2, 5) if m * power >= rough * 0.999), 10 * power)
    if whole:
        step = max(1.0, step)
    return tuple(index * step for index in range(math.ceil(high / step - 1e-9) + 1))


_TIMES = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400)


def times(start: float, end: float, wanted: int) -> tuple[float, ...]:
    """Round seconds between `start` and `end`."""
    step = next((s for s in _TIMES if (end - start) / s <= wanted), (end - start) / wanted)
    first = math.ceil(start / step - 1e-9)
    return tuple(index * step for index in range(first, math.floor(end / step + 1e-9) + 1))


def thin(points: Sequence[Point], limit: int = MOST_POINTS) -> tuple[Point, ...]:
    """At most `limit` of the points; each stretch keeps its lowest and highest, in order."""
    if len(points) <= limit:
        return tuple(points)
    stretches = max(1, (limit - 2) // 2)
    inner = points[1:-1]
    kept = [points[0]]
    for index in range(stretches):
        part = inner[index * len(inner) // stretches : (index + 1) * len(inner) // stretches]
        ends = {min(part, key=lambda p: p[1]), max(part, key=lambda p: p[1])} if part else set()
        kept.extend(sorted(ends))
    return (*kept, points[-1])


@dataclass(frozen=True)
class Frame:
    """Where a chart's data is drawn, and its scales; pixels grow downward."""

    width: float
    height: float
    start: float  # seconds
    end: float
    top_value: float = 1.0
    left: float = 48
    right: float = 16
    top: float = 12
    bottom: float = 40

    @property
    def inner(self) -> float:
        return self.width - self.left - self.right

    @property
    def floor(self) -> float:
        """Pixel of value 0."""
        return self.height - self.bottom

    def x(self, t: float) -> float:
        """Pixel of a moment, held inside the frame."""
        share = (t - self.start) / max(self.end - self.start, 1e-9)
        return self.left + min(max(share, 0.0), 1.0) * self.inner

    def y(self, value: float) -> float:
        """Pixel of a value, held inside the frame."""
        share = min(max(value / (self.top_value or 1.0), 0.0), 1.0)
        return self.floor - share * (self.floor - self.top)

    def time_axis(self, name: str = "") -> list[str]:
        """Round moments along the bottom."""
        parts = [rule(self.left, self.floor, self.width - self.right, self.floor, "axis")]
        for t in times(self.start, self.end, max(2, int(self.inner / 70))):
            x = self.x(t)
            parts.append(rule(x, self.floor, x, self.floor + 4, "axis"))
            half = LETTER * len(clock(t)) / 2
            side = "start" if x < half else "end" if x + half > self.width else "middle"
            parts.append(text(x, self.floor + 17, clock(t), "tick", side))
        if name:
            parts.append(text(self.left + self.inner / 2, self.floor + 33, name, "soft", "middle"))
        return parts

    def value_axis(
        self, ticks: Sequence[float], written: Callable[[float], str] = count
    ) -> list[str]:
        """Round values along the left, with lines across."""
        parts: list[str] = []
        for value in ticks:
            y = self.y(value)
            if value:
                parts.append(rule(self.left, y, self.width - self.right, y, "grid"))
            parts.append(text(self.left - 7, y + 4, written(value), "tick", "end"))
        return parts


def gutter(ticks: Sequence[float], written: Callable[[float], str] = count) -> float:
    """Pixels that the labels of a value axis need."""
    return 14 + LETTER * max(len(written(tick)) for tick in ticks)


def legend(
    entries: Sequence[tuple[str, str]], x: float, y: float, width: float
) -> tuple[list[str], float]:
    """(class, name) swatches from `x`, `y` on; as many rows as they need, and their height."""
    parts: list[str] = []
    at, row = x, 0
    for css, name in entries:
        wide = 22 + LETTER * len(name) + 14
        if at > x and at + wide > x + width:
            at, row = x, row + 1
        parts.append(rect(at, y + row * 19 - 9, 14, 11, css))
        parts.append(text(at + 20, y + row * 19, name, "key"))
        at += wide
    return parts, (row + 1) * 19.0
