"""Invented campaigns for the charts and reports: a plain one, a hostile one and a long one."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any
from xml.etree import ElementTree

from orchestrator.campaign.record import (
    BreakerSpan,
    CampaignRecord,
    FaultSeen,
    LeadResult,
    Question,
    Sample,
)

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = (
    "</text><script>alert(1)</script>\"'><img src=x onerror=alert(2)>\x1b[31m\u202e\ud800&amp;"
)
FAULTS = ("timeout_before", "reset", "http_429", "truncated_json", "server_killed", "disk_full")


def record(**changes: Any) -> CampaignRecord:
    """A campaign in which nothing happened, but for `changes`."""
    base: dict[str, Any] = {
        "campaign_id": "chaos-1",
        "kind": "random",
        "started_at": "2026-11-23T02:00:00Z",
        "seconds": 60.0,
        "seed": 7,
        "rate": 0.1,
        "faults_allowed": FAULTS,
        "sandbox": True,
        "leads_file": "data/sample_leads.csv",
        "rounds": 1,
        "command": "python scripts/run_failure_campaign.py --seed 7",
        "environment": {"python": "3.11"},
    }
    return CampaignRecord(**(base | changes))


def span(state: Any, start: float, end: float, **changes: Any) -> BreakerSpan:
    """One breaker's state; GHL's reads unless told otherwise."""
    named = {"vendor": "ghl", "operation_class": "read"} | changes
    return BreakerSpan(state=state, start=start, end=end, **named)


def sample(t: float, **changes: Any) -> Sample:
    """One look at the swarm."""
    numbers: dict[str, Any] = {
        "leads_done": 1, "faults": 1, "retries": 1, "failures": 1, "spend_micros": 1000,
        "restarts": 0, "memory_mb": 500.0, "open_files": 150, "processes": 7,
    }  # fmt: skip
    return Sample(t=t, **(numbers | changes))


def lead(row: int, baseline: str, under: Iterable[str], **changes: Any) -> LeadResult:
    """One lead, decided the same unless told otherwise."""
    named: dict[str, Any] = {"lead_id": f"lead_{row}", "after": baseline, "verdict": "same"}
    named |= changes
    return LeadResult(row=row, baseline=baseline, under_faults=tuple(under), **named)


def question(holds: bool = True, **changes: Any) -> Question:
    """One of the guide's questions."""
    named: dict[str, Any] = {"id": "crash", "text": "Did anything crash?", "answer": "No."}
    return Question(holds=holds, **(named | changes))


def held() -> CampaignRecord:
    """A minute with one trip, of which everything is right."""
    return record(
        samples=tuple(sample(t, leads_done=t, spend_micros=t * 1000) for t in range(60)),
        breakers=(
            span("closed", 0, 20),
            span("open", 20, 26, reason="5 failures in a row (http_503)"),
            span("half_open", 26, 26.4),
            span("closed", 26.4, 60),
        ),
        faults=tuple(
            FaultSeen(t=t, site="ghl.search_contacts", fault=FAULTS[t % 6]) for t in range(50)
        ),
        arrivals={"ghl": tuple((s, 3) for s in range(60) if not 20 <= s < 26)},
        leads=(
            lead(2, "shadow_logged", ("shadow_logged", "deferred"), verdict="more_cautious"),
            lead(3, "disqualified", ("disqualified", "disqualified")),
        ),
        clusters=(
            {"kind": "server_error", "vendor": "ghl", "operation": "search_contacts",
             "status": 503, "count": 31, "leads": 2, "details": ["Service Unavailable"]},
        ),
        proposals=(
            {"id": "F-0123abcd", "diagnosis": "vendor_slow", "title": "Clay is slow",
             "text": "Clay takes 4.1 s.", "file": "production.json",
             "patch": [{"op": "test", "path": "/vendors/clay/timeouts/read", "value": 1.5},
                       {"op": "replace", "path": "/vendors/clay/timeouts/read", "value": 8.25}]},
        ),
        rounds=2,
        restarts={"enricher": 4},
        spend={"held_micros": 59_000, "cap_micros": 100_000},
        questions=(question(),),
        scaled={"breaker.open_s": "at most 6 s"},
    )  # fmt: skip


def hostile() -> CampaignRecord:
    """The same with every outside text as bad as it can be."""
    bad = {HOSTILE: HOSTILE}
    return record(
        campaign_id=HOSTILE,
        started_at=HOSTILE,
        command=HOSTILE,
        leads_file=HOSTILE,
        environment=bad,
        scaled=bad,
        faults_allowed=(HOSTILE,),
        breakers=(
            span("closed", 0, 20, vendor=HOSTILE, operation_class=HOSTILE),
            span("open", 20, 26, vendor=HOSTILE, operation_class=HOSTILE, reason=HOSTILE),
        ),
        faults=(FaultSeen(t=1, site=HOSTILE, fault=HOSTILE, lead_id=HOSTILE),),
        arrivals={HOSTILE: ((1, 2), (30, 4))},
        leads=(lead(2, HOSTILE, (HOSTILE, "x"), lead_id=HOSTILE, verdict="lost"),),
        clusters=({"kind": HOSTILE, "vendor": HOSTILE, "count": 3, "details": [HOSTILE]},),
        proposals=(
            {"id": HOSTILE, "title": HOSTILE, "text": HOSTILE, "file": HOSTILE, "expected": HOSTILE,
             "patch": [{"op": "replace", "path": HOSTILE, "value": bad}, HOSTILE]},
        ),
        restarts={HOSTILE: 2},
        questions=(question(False, text=HOSTILE, answer=HOSTILE, evidence=bad),),
    )  # fmt: skip


@cache
def hour() -> CampaignRecord:
    """3,600 samples, 20,000 faults, 1,500 rounds of 100 leads, and a breaker that flaps."""
    dice = random.Random(5)
    spans: list[BreakerSpan] = []
    for start in range(0, 3600, 3):
        spans += [span("closed", start, start + 1), span("open", start + 1, start + 2.5),
                  span("half_open", start + 2.5, start + 3)]  # fmt: skip
    times = sorted(dice.uniform(0, 3600) for _ in range(20_000))
    return record(
        seconds=3600.0,
        samples=tuple(sample(t, leads_done=t, memory_mb=500 + dice.random()) for t in range(3600)),
        breakers=tuple(spans),
        faults=tuple(FaultSeen(t=t, site="ghl.x", fault=dice.choice(FAULTS)) for t in times),
        arrivals={"ghl": tuple((s, dice.randint(1, 9)) for s in range(3600))},
        leads=tuple(
            lead(row, "review", (dice.choice(("review", "deferred")) for _ in range(1500)),
                 verdict="more_cautious")
            for row in range(100)
        ),
        rounds=1500,
        clusters=tuple({"kind": "timeout", "operation": f"op{n}", "count": n} for n in range(300)),
        questions=(question(),),
    )  # fmt: skip


def parsed(text: str) -> ElementTree.Element:
    """A chart or page as XML: fails when an element is not closed or a text not escaped."""
    return ElementTree.fromstring(text)


def of_class(root: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    """Elements of a chart with the class `name`."""
    return [each for each in root.iter() if name in (each.get("class") or "").split()]


def labels(root: ElementTree.Element) -> list[str]:
    """The texts of a chart."""
    return ["".join(each.itertext()) for each in root.iter(f"{SVG}text")]


def extents(root: ElementTree.Element, name: str) -> Iterator[tuple[float, float]]:
    """(left, right) of the rectangles of a class, in pixels, swatches of a legend left out."""
    for each in of_class(root, name):
        if each.get("height") != "11":
            left = float(each.get("x") or 0)
            yield left, left + float(each.get("width") or 0)
