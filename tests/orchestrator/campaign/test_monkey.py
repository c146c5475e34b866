from __future__ import annotations

from collections import Counter

from orchestrator.campaign.monkey import HANGABLE, Monkey, Strike
from orchestrator.campaign.plan import PROCESS_FAULTS
from orchestrator.options import SERVERS

PLACES = [(number, row) for number in range(1, 51) for row in range(1, 41)]


def plan(seed: int, rate: float = 0.1) -> dict[tuple[int, int], Strike]:
    monkey = Monkey(seed, rate, PROCESS_FAULTS, SERVERS)
    found = {place: monkey.strike(*place) for place in PLACES}
    return {place: strike for place, strike in found.items() if strike is not None}


def test_the_same_seed_does_the_same_whatever_is_asked_first() -> None:
    monkey = Monkey(4, 0.1, PROCESS_FAULTS, SERVERS)
    backwards = {place: monkey.strike(*place) for place in reversed(PLACES)}
    assert {p: s for p, s in backwards.items() if s is not None} == plan(4)


def test_another_seed_does_something_else() -> None:
    assert plan(4) != plan(5)


def test_the_rate_is_the_share_of_leads_and_every_fault_and_server_is_met() -> None:
    found = plan(4)
    assert 0.08 < len(found) / len(PLACES) < 0.12
    assert set(Counter(strike.fault for strike in found.values())) == set(PROCESS_FAULTS)
    killed = {each.server for each in found.values() if each.fault == "server_killed"}
    hung = {each.server for each in found.values() if each.fault == "server_hung"}
    assert killed == set(SERVERS)
    assert hung == set(HANGABLE)


def test_waits_are_bounded() -> None:
    long = [strike.seconds for strike in plan(4).values() if strike.server is None]
    assert 0.5 <= min(long) <= max(long) <= 3.0


def test_a_rate_of_zero_and_no_faults_do_nothing() -> None:
    assert plan(4, rate=0.0) == {}
    assert Monkey(4, 1.0, (), SERVERS).strike(1, 1) is None


def test_a_strike_says_where() -> None:
    assert Strike("server_killed", "ghl", 0).site == "process.ghl"
    assert Strike("disk_full", None, 1).site == "process.disk"
