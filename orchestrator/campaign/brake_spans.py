"""When breakers were open. Owns: lanes, and the stretches in which a vendor's door was shut."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from orchestrator.campaign.record import BreakerSpan, CampaignRecord

Lane = tuple[str, str]  # vendor, operation class


@dataclass(frozen=True)
class Shut:
    """A stretch in which some, or all, of a vendor's breakers were open."""

    start: float
    end: float
    whole: bool  # all of the vendor's operation classes: nothing at all may arrive

    @property
    def seconds(self) -> float:
        return self.end - self.start


def extent(record: CampaignRecord) -> float:
    """Seconds that the charts span: the campaign, or the last thing seen when that is later."""
    last = max((sample.t for sample in record.samples), default=0.0)
    late = max((span.end for span in record.breakers), default=0.0)
    return max(record.seconds, last, late, 1.0)


def lanes(spans: Iterable[BreakerSpan]) -> dict[Lane, list[BreakerSpan]]:
    """Spans of each breaker in time order, breakers by name."""
    found: dict[Lane, list[BreakerSpan]] = {}
    for span in spans:
        found.setdefault((span.vendor, span.operation_class), []).append(span)
    return {lane: sorted(found[lane], key=lambda span: span.start) for lane in sorted(found)}


def opened(spans: Sequence[BreakerSpan]) -> tuple[int, float]:
    """How often one breaker was open, and for how many seconds."""
    times = [span.end - span.start for span in spans if span.state == "open"]
    return len(times), sum(times)


def trips(spans: Iterable[BreakerSpan]) -> int:
    """How often a closed breaker opened; a failed probe that opens it again is not counted."""
    total = 0
    for lane in lanes(spans).values():
        for before, span in zip([None, *lane], lane, strict=False):
            total += span.state == "open" and (before is None or before.state == "closed")
    return total


def shut(spans: Iterable[BreakerSpan], vendor: str) -> list[Shut]:
    """Stretches with an open breaker at `vendor`, in order, without overlap."""
    mine = lanes(span for span in spans if span.vendor == vendor)
    changes: list[tuple[float, int]] = []
    for lane in mine.values():
        for span in lane:
            if span.state == "open" and span.end > span.start:
                changes += [(span.start, 1), (span.end, -1)]
    found: list[Shut] = []
    depth, since = 0, 0.0
    for t, change in sorted(changes):
        if depth and t > since:
            found.append(Shut(since, t, depth >= len(mine)))
        depth, since = depth + change, t
    return found


def inside(stretches: Sequence[Shut], second: int) -> bool:
    """Whether the whole second lies where all of the vendor's breakers were open."""
    reached = float(second)
    for stretch in stretches:
        if stretch.whole and stretch.start <= reached < stretch.end:
            reached = stretch.end
    return reached >= second + 1
