"""When breakers were open. Owns: lanes, and the stretches in which a vendor's door was shut."""

from __future__ import annotations

from bisect import bisect_right
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
    """Spans of each breaker in time order, breakers by name.

    Only changes are recorded, and a breaker starts closed: what comes before its first change is
    a closed span.
    """
    found: dict[Lane, list[BreakerSpan]] = {}
    for span in sorted(spans, key=lambda span: span.start):
        lane = (span.vendor, span.operation_class)
        if lane not in found:
            before = {"state": "closed", "start": 0.0, "end": span.start, "reason": ""}
            found[lane] = [span.model_copy(update=before)] if span.start > 0 else []
        found[lane].append(span)
    return dict(sorted(found.items()))


def lane_of(door: str) -> Lane | None:
    """`ghl read` as a lane; None when a door is a vendor's for all operation classes."""
    vendor, _, kind = door.rpartition(" ")
    return (vendor, kind) if vendor and kind in ("read", "paid_read", "write") else None


def doors(record: CampaignRecord) -> list[str]:
    """Where requests were counted, and where a breaker stood without any: GHL's first."""
    unseen = (lane for lane in lanes(record.breakers) if lane[0] not in record.arrivals)
    names = {*record.arrivals, *(" ".join(lane) for lane in unseen)}
    times = {name: sum(one.seconds for one in shut(record.breakers, name)) for name in names}
    return sorted(names, key=lambda name: (name.split(" ")[0] != "ghl", -times[name], name))


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


def shut(spans: Iterable[BreakerSpan], door: str) -> list[Shut]:
    """Stretches with an open breaker at a door, in order, without overlap.

    A door is one breaker's (`ghl read`), or a vendor's (`ghl`): then what is open may be some only.
    """
    one = lane_of(door)
    mine = lanes(
        span
        for span in spans
        if ((span.vendor, span.operation_class) == one if one else span.vendor == door)
    )
    changes: list[tuple[float, int]] = []
    for own in mine.values():
        for span in own:
            if span.state == "open" and span.end > span.start:
                changes += [(span.start, 1), (span.end, -1)]
    found: list[Shut] = []
    depth, since = 0, 0.0
    for t, change in sorted(changes):
        if depth and t > since:
            found.append(Shut(since, t, depth >= len(mine)))
        depth, since = depth + change, t
    return found


def around(stretches: Sequence[Shut], t: float) -> int:
    """Index of the last stretch that starts at `t` or before; 0 when there is none."""
    return max(0, bisect_right(stretches, t, key=lambda one: one.start) - 1)


def inside(stretches: Sequence[Shut], second: int) -> bool:
    """Whether the whole second lies where all of the vendor's breakers were open."""
    reached = float(second)
    for stretch in stretches[around(stretches, second) :]:
        if not (stretch.whole and stretch.start <= reached < stretch.end):
            break
        reached = stretch.end
    return reached >= second + 1
