from __future__ import annotations

from collections import Counter

from orchestrator.campaign.plan import PROCESS_FAULTS
from orchestrator.campaign.sweep import Pair, assign, process_strikes
from orchestrator.options import SERVERS

HTTP = ("timeout_before", "reset", "http_503", "slow")
REACHED = {
    "ghl.search_contacts": [f"L-{number}" for number in range(40)],
    "ghl.get_contact": ["L-3", "L-4"],
}
DUE: set[Pair] = {(site, fault) for site in REACHED for fault in HTTP}


def test_every_pair_gets_a_lead_that_reaches_its_site() -> None:
    targets = assign(DUE, REACHED, 0)
    assert {(target.site, target.fault) for target in targets} == DUE
    assert all(target.lead_id in REACHED[target.site] for target in targets)


def test_a_lead_gets_one_fault_unless_its_site_is_rare() -> None:
    targets = assign(DUE, REACHED, 0)
    often = Counter(t.lead_id for t in targets if t.site == "ghl.search_contacts")
    rare = Counter(t.lead_id for t in targets if t.site == "ghl.get_contact")
    assert set(often.values()) == {1}
    assert rare == {"L-3": 2, "L-4": 2}
    assert not often.keys() & rare.keys()  # the rare site's leads are left to it


def test_more_faults_than_visits_wait_for_the_next_pass() -> None:
    few = {"ghl.get_contact": ["L-3"]}
    due: set[Pair] = {("ghl.get_contact", fault) for fault in HTTP}
    assert len(assign(due, few, 0)) == 2


def test_another_pass_takes_other_leads() -> None:
    due: set[Pair] = {("ghl.search_contacts", "slow")}
    assert assign(due, REACHED, 0) != assign(due, REACHED, 7)


def test_every_server_is_killed_and_hung_and_the_hunter_hangs_before_it_is_needed() -> None:
    strikes = process_strikes(PROCESS_FAULTS)
    assert (strikes[0].fault, strikes[0].server) == ("server_hung", "hunter")
    assert len(strikes) == len(set(strikes)) == 2 * len(SERVERS) + 3
    assert all(strike.seconds > 0 for strike in strikes if strike.server is None)
