"""Did the brakes do what they promise? Owns: the questions about breakers, probes and retries."""

from __future__ import annotations

from collections import Counter

from orchestrator.campaign.findings import Arrival, Findings
from orchestrator.campaign.record import BreakerSpan, Question
from orchestrator.campaign.words import many

# A call that was admitted may leave this much later (it waits for its turn on the wire).
GRACE_S = 0.25
_SHOWN = 20


def breaker_tripped(found: Findings) -> Question:
    """Did the circuit breaker trip when GHL failed?"""
    delays = []
    missed = 0
    for outage in (each for each in found.outages if each.vendor == "ghl"):
        opened = [
            span.start
            for span in _of(found, "ghl", "open")
            if outage.start - GRACE_S <= span.start <= outage.end
        ]
        already = [
            span for span in _of(found, "ghl", "open") if span.start < outage.start < span.end
        ]
        if opened:
            delays.append(round(max(0.0, opened[0] - outage.start), 3))
        elif not already:
            missed += 1
    times = len(_of(found, "ghl", "open"))
    asked = len([each for each in found.outages if each.vendor == "ghl"])
    if not asked and found.sandbox:
        answer, holds = "GHL was never made to fail: nothing is proven.", False
    elif not asked:
        answer = "A real vendor is not made to fail altogether; "
        answer += f"its breaker opened {many(times, 'time')}."
        holds = True
    else:
        holds = missed == 0
        took = f", {min(delays):.2f} s after the first outage began" if delays else ""
        answer = f"GHL was made to fail {many(asked, 'time')}; "
        answer += f"its breaker opened {many(times, 'time')}{took}."
        answer += f" It did not open in {missed} of them." if missed else ""
    evidence = {"outages": asked, "opened": times, "missed": missed, "delays_s": delays}
    return Question(
        id="breaker_tripped",
        text="Did the Circuit Breaker trip when GHL failed?",
        holds=holds,
        answer=answer,
        evidence=evidence,
    )


def nothing_while_open(found: Findings) -> Question:
    """How many requests reached GHL, and the others, while their breaker was open?"""
    text = "How many requests reached GHL while its breaker was open?"
    if found.arrivals is None:
        answer = "A real vendor does not tell; our own count of admitted calls is in the record."
        return Question(id="nothing_while_open", text=text, holds=not found.sandbox, answer=answer)
    late: Counter[str] = Counter()
    grace: Counter[str] = Counter()
    seen: list[dict[str, float | str]] = []
    for span in (each for each in found.spans if each.state == "open"):
        for arrival in _within(found.arrivals, span):
            early = arrival.t - span.start <= GRACE_S
            (grace if early else late)[arrival.vendor] += 1
            if not early and len(seen) < _SHOWN:
                seen.append({"at": arrival.t, "opened": span.start, "until": span.end})
    opened = sum(1 for span in found.spans if span.state == "open")
    others = sum(late.values()) - late["ghl"]
    answer = (
        f"{late['ghl']} at GHL and {others} at the others, by the twins' own count over "
        f"{many(opened, 'open span')}; {sum(grace.values())} more had left before and arrived "
        f"within {GRACE_S * 1000:.0f} ms."
    )
    evidence = {"while_open": dict(late), "in_grace": dict(grace), "open_spans": opened}
    return Question(
        id="nothing_while_open",
        text=text,
        holds=not late,
        answer=answer,
        evidence=evidence
        | {"grace_ms": GRACE_S * 1000, "arrivals": len(found.arrivals), "late": seen},
    )


def one_probe(found: Findings) -> Question:
    """Did exactly one call probe each half-open breaker?"""
    text = "Did exactly one call probe a vendor whose pause was over?"
    half_open = [span for span in found.spans if span.state == "half_open"]
    if found.arrivals is None:
        answer = f"{many(len(half_open), 'half-open span')}; a real vendor does not say who called."
        return Question(id="one_probe", text=text, holds=not found.sandbox, answer=answer)
    # The first of them is the probe. Fewer than one arrive when a fault stopped it on its way.
    numbers = [len(_within(found.arrivals, span)) for span in half_open]
    crowded = sum(1 for number in numbers if number > 1)
    answer = (
        f"{many(len(half_open), 'half-open span')}: {numbers.count(1)} with one arrival, "
        f"{numbers.count(0)} whose probe was faulted before it arrived, {crowded} with more."
    )
    evidence = {"half_open": len(half_open), "with_more": crowded, "most": max(numbers, default=0)}
    return Question(id="one_probe", text=text, holds=crowded == 0, answer=answer, evidence=evidence)


def retries_bounded(found: Findings) -> Question:
    """Did retries stay within their budget?"""
    rows = {
        vendor: {
            "first": first,
            "retries": retries,
            "allowed": int(found.retry_ratio * first + found.retry_reserve),
        }
        for vendor, (first, retries) in sorted(found.calls.items())
    }
    over = [vendor for vendor, row in rows.items() if row["retries"] > row["allowed"]]
    first = sum(row["first"] for row in rows.values())
    retried = sum(row["retries"] for row in rows.values())
    share = 100 * retried / first if first else 0.0
    answer = (
        f"{retried} retries on {first} first attempts ({share:.1f} %); allowed for each vendor: "
        f"{found.retry_ratio:.0%} and {found.retry_reserve:g} in reserve."
    )
    answer += f" Over it: {', '.join(over)}." if over else ""
    return Question(
        id="retries_bounded",
        text="Did retries stay within 10 % extra traffic and their reserve, per vendor?",
        holds=not over and first > 0,
        answer=answer,
        evidence={"vendors": rows},
    )


def _of(found: Findings, vendor: str, state: str) -> list[BreakerSpan]:
    return [span for span in found.spans if span.vendor == vendor and span.state == state]


def _within(arrivals: tuple[Arrival, ...], span: BreakerSpan) -> list[Arrival]:
    """Arrivals of this breaker in this span. Clocks of processes on one machine are one clock."""
    return [
        arrival
        for arrival in arrivals
        if arrival.vendor == span.vendor
        and arrival.operation_class == span.operation_class
        and span.start < arrival.t < span.end
    ]
