"""A campaign while it runs, on a terminal. Owns: the live view, and being silent without one.

The view goes to stderr, so that stdout stays free for `--json`. It is redrawn at most four times
a second from the last snapshot given; giving one costs nothing.
"""

from __future__ import annotations

from itertools import groupby
from types import TracebackType

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from orchestrator.campaign.brake_spans import lanes
from orchestrator.campaign.record import BreakerSpan
from orchestrator.campaign.snapshot import Event, Snapshot
from orchestrator.campaign.words import clock, count, line, money, words

PER_SECOND = 4
_SPAN_S = 120.0  # what the time line shows; a piece of it shows its gravest state
_LABEL = 20
_GLYPHS = {"closed": ("▁", "-", "dim"), "half_open": ("▄", "+", "yellow"),
           "open": ("█", "#", "bold red")}  # fmt: skip
_RANK = ("closed", "half_open", "open")


class LiveView:
    """Shows snapshots while it is entered; nothing at all when quiet or not on a terminal."""

    def __init__(self, console: Console | None = None, *, quiet: bool = False) -> None:
        self._console = console or Console(stderr=True, highlight=False)
        self._shown: Snapshot | None = None
        self._live: Live | None = None
        if self._console.is_terminal and not self._console.is_dumb_terminal and not quiet:
            self._live = Live(
                console=self._console,
                refresh_per_second=PER_SECOND,
                get_renderable=self._draw,
                vertical_overflow="crop",
                redirect_stdout=False,
                redirect_stderr=False,
            )

    @property
    def active(self) -> bool:
        """Whether anything is shown."""
        return self._live is not None

    def update(self, snapshot: Snapshot) -> None:
        """Show this from the next redraw on."""
        self._shown = snapshot

    def __enter__(self) -> LiveView:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live:
            self._live.stop()

    def _draw(self) -> RenderableType:
        if self._shown is None:
            return Text("starting …")
        size = self._console.size
        return frame(self._shown, size.width, size.height, self._console.options.ascii_only)


def frame(seen: Snapshot, width: int, height: int, plain: bool = False) -> RenderableType:
    """The whole view in at most `width` columns and `height` - 1 rows; `plain`: ASCII only."""
    width = max(width, 40)
    rows = [*_head(seen, width, plain), _fit(Text(line(seen.note), style="yellow"), width)]
    room = max(height - 1 - len(rows), 4)
    shown = list(lanes(seen.spans).items())
    kinds = sorted(seen.faults_by_kind.items(), key=lambda item: (-item[1], item[0]))
    across = max(1, width // 26)
    fault_rows = min(-(-len(kinds) // across), max(1, room // 4)) if kinds else 1
    least = 4  # of the events, with their heading
    lane_rows = min(len(shown), max(1, room - fault_rows - least - 4))
    if lane_rows < len(shown):  # those with something to see
        shown.sort(key=lambda lane: not any(span.state == "open" for span in lane[1]))
    rows += _lanes(seen, shown[:lane_rows], width, len(shown) - lane_rows, plain)
    rows += [Text(), *_faults(kinds, across, fault_rows, width)]
    left = height - 1 - len(rows)
    if left >= 3:
        rows += [Text(), *_events(seen.events, left - 1, width)]
    return Group(*rows[: max(1, height - 1)])


def _head(seen: Snapshot, width: int, plain: bool) -> list[Text]:
    what = "sweep" if seen.kind == "sweep" else "random faults"
    planned = f" of {clock(seen.planned_s)}" if seen.planned_s else ""
    now = clock(seen.t) if seen.phase == "faults" else clock(seen.elapsed_s)
    title = Text.assemble(
        ("CHAOS ", "bold"), (f"{words(seen.phase)} ", "bold cyan"),
        f"{now}{planned if seen.phase == 'faults' else ''}",
        (f"   {what}" + (f", round {seen.round}" if seen.round else ""), "dim"),
    )  # fmt: skip
    size = min(40, max(10, width - 44))
    leads = _meter("leads", seen.leads_done, seen.leads_total, size, plain)
    leads.append(f" {count(seen.leads_done)} of {count(seen.leads_total)}")
    spend = _meter("spend", seen.spend_micros, seen.cap_micros, size, plain)
    spend.append(f" {money(seen.spend_micros)} of {money(seen.cap_micros)}")
    restarts = sum(seen.restarts.values())
    named = ", ".join(f"{line(name, 20)} {number}" for name, number in sorted(seen.restarts.items())
                      if number)  # fmt: skip
    numbers = Text.assemble(
        ("retries ", "dim"), count(seen.retries), ("   failures ", "dim"), count(seen.failures),
        ("   restarts ", "dim"), count(restarts), f" ({named})" if named else "",
    )  # fmt: skip
    return [_fit(row, width) for row in (title, leads, spend, numbers)]


def _meter(name: str, done: float, total: float, size: int, plain: bool) -> Text:
    """A bar; full when `done` reaches `total`, empty when there is no total."""
    full = min(size, round(size * done / total)) if total > 0 else 0
    on, off = ("#", ".") if plain else ("━", "─")
    return Text.assemble((f"{name:<7}", "dim"), (on * full, "cyan"), (off * (size - full), "dim"))


def _lanes(
    seen: Snapshot,
    shown: list[tuple[tuple[str, str], list[BreakerSpan]]],
    width: int,
    hidden: int,
    plain: bool,
) -> list[Text]:
    cells = max(8, width - _LABEL - 11)
    more = f", {hidden} more" if hidden > 0 else ""
    rows = [Text.assemble(("Breakers", "bold"), (f"  last {_SPAN_S:.0f} s{more}", "dim"))]
    if not shown:
        return [*rows, Text("none has been used yet", style="dim")]
    for (vendor, kind), spans in shown:
        label = line(f"{vendor} {words(kind)}", _LABEL - 1)
        row = Text(f"{label:<{_LABEL}}")
        for state, run in groupby(timeline(spans, seen.t - _SPAN_S, seen.t, cells)):
            glyph, ascii_glyph, style = _GLYPHS.get(state, (" ", " ", ""))
            row.append((ascii_glyph if plain else glyph) * len(list(run)), style=style)
        now = spans[-1].state
        row.append(f" {words(now)}", style=_GLYPHS[now][2])
        rows.append(_fit(row, width))
    return rows


def timeline(spans: list[BreakerSpan], start: float, end: float, cells: int) -> list[str]:
    """The gravest state in each of `cells` equal pieces of time; empty where none is known."""
    found = [""] * cells
    piece = (end - start) / cells
    for span in spans:
        if span.end < start or span.start > end or piece <= 0:
            continue
        first = max(0, int((span.start - start) / piece))
        last = min(cells - 1, int((span.end - start) / piece - 1e-9))
        for index in range(first, max(first, last) + 1):
            if index < cells and (
                not found[index] or _RANK.index(span.state) > _RANK.index(found[index])
            ):
                found[index] = span.state
    return found


def _faults(kinds: list[tuple[str, int]], across: int, rows: int, width: int) -> list[Text]:
    total = sum(number for _, number in kinds)
    hidden = len(kinds) - rows * across
    more = f", {hidden} kinds more" if hidden > 0 else ""
    title = Text.assemble(("Faults", "bold"), (f"  {count(total)}{more}", "dim"))
    if not kinds:
        return [title, Text("none yet", style="dim")]
    made = []
    for index in range(rows):
        row = Text()
        for kind, number in kinds[index::rows][:across]:
            row.append(f"{line(words(kind), 17):<17} ")
            row.append(f"{count(number):>6}  ", style="cyan")
        made.append(_fit(row, width))
    return [title, *made]


def _events(events: tuple[Event, ...], most: int, width: int) -> list[Text]:
    shown = events[-(most - 1) :] if most > 1 else ()
    rows = [Text("Last", style="bold")]
    for event in shown:
        when = f"{clock(event.t):>7}  " if event.t >= 0 else f"{'':>7}  "
        rows.append(_fit(Text.assemble((when, "dim"), line(event.text)), width))
    return rows


def _fit(row: Text, width: int) -> Text:
    row.no_wrap = True
    row.truncate(width, overflow="ellipsis")
    return row
