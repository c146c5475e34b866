"""The key numbers of a campaign, and what they cannot say. Owns: the honest small print."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from orchestrator.campaign.brake_spans import inside, opened, shut, trips
from orchestrator.campaign.record import CampaignRecord
from orchestrator.campaign.words import count, lasting, many, money, words

_BY_THE_SECOND = (
    "Arrivals are drawn by the second. A second in which a breaker opened or closed is drawn in "
    "its open part; the question about requests at an open breaker counts by the exact time."
)


@dataclass(frozen=True)
class Figure:
    """One number, what it is, and a short remark."""

    value: str
    name: str
    remark: str = ""


def figures(record: CampaignRecord) -> tuple[Figure, ...]:
    """The numbers that are read first."""
    last = record.samples[-1] if record.samples else None
    cap = record.spend.get("cap_micros", 0)
    held = record.spend.get("held_micros", last.spend_micros if last else 0)
    verdicts = Counter(lead.verdict for lead in record.leads)
    changed = [f"{number} {words(name)}" for name, number in verdicts.items() if name != "same"]
    restarts = sum(record.restarts.values()) or (last.restarts if last else 0)
    kinds = len({fault.fault for fault in record.faults})
    return (
        Figure(count(len(record.faults)), "faults", f"{many(kinds, 'kind')}"),
        Figure(count(len(record.leads)), "leads", ", ".join(changed) or "all decided the same"),
        Figure(count(record.rounds), "rounds", f"in {lasting(record.seconds)}"),
        _breakers(record),
        _at_shut_doors(record),
        Figure(count(_retries(record)), "retries",
               many(last.failures if last else 0, "failure") + " recorded"),
        Figure(count(restarts), "server restarts", _by_name(record)),
        Figure(money(held), "spend", f"of a cap of {money(cap)}" if cap else "no cap recorded"),
    )  # fmt: skip


def _breakers(record: CampaignRecord) -> Figure:
    """Trips; a probe that fails opens a breaker once more and is no trip."""
    times, seconds = opened(record.breakers)
    tripped = trips(record.breakers)
    again = f", {count(times - tripped)} of them again after a probe" if times > tripped else ""
    name = "breaker trip" if tripped == 1 else "breaker trips"
    return Figure(count(tripped), name, f"opened {times}×{again}, {lasting(seconds)} in all")


def _retries(record: CampaignRecord) -> int:
    """All that were counted; what was last seen while it ran, where nobody counted."""
    for question in record.questions:
        if question.id == "retries_bounded":
            vendors = question.evidence.get("vendors", {})
            return sum(row["retries"] for row in vendors.values())
    return record.samples[-1].retries if record.samples else 0


def _by_name(record: CampaignRecord) -> str:
    most = sorted(record.restarts.items(), key=lambda item: -item[1])[:3]
    return ", ".join(f"{words(name)} {number}" for name, number in most if number)


def _at_shut_doors(record: CampaignRecord) -> Figure:
    name = "requests at a shut door"
    if not record.arrivals:
        return Figure("–", name, "nobody counted")
    return Figure(count(shut_requests(record)), name, "while it was open, by the second")


def shut_requests(record: CampaignRecord) -> int:
    """Requests in seconds in which the breaker of their door was open throughout."""
    total = 0
    for name, counted in record.arrivals.items():
        stretches = shut(record.breakers, name)
        total += sum(requests for second, requests in counted if inside(stretches, second))
    return total


def notes(record: CampaignRecord) -> tuple[str, ...]:
    """What this campaign does not show, said before someone asks."""
    said = []
    if record.sandbox:
        said.append(
            "The vendors were the built-in twins on this machine. They refuse what the vendors "
            "refuse, yet the vendors' own networks, load and undocumented habits were not tested."
        )
    if record.scaled:
        said.append(
            "Waits were shortened (below), so that the run saw more trips and recoveries than the "
            "same time would bring in production. Durations here are not those of production."
        )
    if record.kind == "random":
        said.append(
            f"At a rate of {record.rate:g} faults fall by chance: a pair of call site and fault "
            "that did not come up was not tested. The sweep puts every fault at every call site."
        )
    missing = sorted(set(record.faults_allowed) - {fault.fault for fault in record.faults})
    if missing:
        said.append("Allowed, but never put anywhere: " + ", ".join(map(words, missing)) + ".")
    said.append(_BY_THE_SECOND)
    if record.samples:
        gap = (record.samples[-1].t - record.samples[0].t) / max(1, len(record.samples) - 1)
        said.append(f"The swarm was looked at every {lasting(gap)}; shorter peaks are not seen.")
    else:
        said.append("No sample was taken: nothing can be said about memory, files and progress.")
    return tuple(said)
