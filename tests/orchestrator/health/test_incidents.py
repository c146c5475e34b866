"""Incidents: one alert each, told again with time, and the word that it is over."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.health.incidents import Incident, News, advance
from orchestrator.health.judge import Judgement
from orchestrator.health.model import Finding, Severity
from tests.orchestrator.health.samples import NOW, RULES, finding, incident

MINUTE = timedelta(minutes=1)
WELL = Judgement((), ())


def ill(*findings: Finding) -> Judgement:
    return Judgement(findings or (finding(),), ())


def told(news: list[News]) -> list[str]:
    return [one.kind for one in news]


def test_an_incident_is_told_once_however_often_it_is_seen() -> None:
    open_: dict[str, Incident] = {}
    kinds = []
    for number in range(20):
        open_, news = advance(open_, ill(), NOW + timedelta(seconds=number * 30), RULES)
        kinds += told(news)
    assert kinds == ["alert"]


def test_a_changed_text_is_kept_and_not_told_anew() -> None:
    changed = Finding("disk:space", Severity.WARNING, "Something else is wrong", "Do more")
    after, news = advance({"disk:space": incident()}, ill(changed), NOW + MINUTE, RULES)
    assert news == []
    assert (after["disk:space"].what, after["disk:space"].opened_at) == (changed.what, NOW)


def test_it_is_over_after_good_rounds_in_a_row_and_flapping_is_one_incident() -> None:
    open_, kinds = {"disk:space": incident()}, []
    for judgement in (WELL, ill(), WELL, ill(), WELL, WELL):
        open_, news = advance(open_, judgement, NOW + MINUTE, RULES)
        kinds += told(news)
    assert kinds == ["recovered"]
    assert open_ == {}


def test_what_could_not_be_looked_at_stays_as_it_is() -> None:
    blind = Judgement((), ("disk:",))
    open_ = {"disk:space": incident(good=1)}
    for _ in range(5):
        open_, news = advance(open_, blind, NOW + MINUTE, RULES)
        assert news == []
    assert open_ == {"disk:space": incident(good=1)}


def test_a_worse_one_is_told_and_a_better_one_keeps_its_severity() -> None:
    worse = finding(severity=Severity.CRITICAL)
    open_, news = advance({"disk:space": incident()}, ill(worse), NOW + MINUTE, RULES)
    assert told(news) == ["worse"]
    open_, news = advance(open_, ill(), NOW + 2 * MINUTE, RULES)
    assert (news, open_["disk:space"].severity) == ([], Severity.CRITICAL)


def test_an_open_one_is_told_again_and_the_last_span_repeats() -> None:
    critical = finding(severity=Severity.CRITICAL)
    open_, when = {"disk:space": incident(severity=Severity.CRITICAL)}, []
    for minute in range(1, 1500):
        open_, news = advance(open_, ill(critical), NOW + minute * MINUTE, RULES)
        when += [minute for one in news if one.kind == "still"]
    assert when == [30, 120, 360, 720, 1080, 1440]


def test_what_came_while_nobody_looked_is_told_once_and_not_caught_up_on() -> None:
    critical = finding(severity=Severity.CRITICAL)
    open_, when = {"disk:space": incident(severity=Severity.CRITICAL)}, []
    back = 3 * 1440  # the monitor was off over a weekend
    for minute in range(back, back + 400):
        open_, news = advance(open_, ill(critical), NOW + minute * MINUTE, RULES)
        when += [minute - back for one in news if one.kind == "still"]
    assert when == [0, 360]


def test_what_is_not_decided_of_one_machine_holds_up_no_other_whose_name_begins_alike() -> None:
    blind = Judgement((), ("waits:queen@node1",))
    open_ = {key: incident(key, good=1) for key in ("waits:queen@node1", "waits:queen@node10")}
    open_, news = advance(open_, blind, NOW + MINUTE, RULES)
    assert (told(news), list(open_)) == (["recovered"], ["waits:queen@node1"])


def test_a_warning_that_lasts_becomes_critical_unless_it_ends_by_itself() -> None:
    later = NOW + RULES.escalate_after_minutes * MINUTE
    open_, news = advance({"disk:space": incident(tellings=3)}, ill(), later, RULES)
    assert (told(news), open_["disk:space"].severity) == (["worse"], Severity.CRITICAL)
    calm = Finding("stop:in_force", Severity.WARNING, "The swarm is stopped", "", escalates=False)
    stopped = {"stop:in_force": incident("stop:in_force", tellings=3)}
    open_, news = advance(stopped, ill(calm), later, RULES)
    assert (news, open_["stop:in_force"].severity) == ([], Severity.WARNING)


def test_a_notice_is_told_once_and_never_taken_back() -> None:
    open_: dict[str, Incident] = {}
    note = finding("spend:d:*:50", Severity.NOTICE)
    kinds = []
    for minute, judgement in enumerate([ill(note)] * 200 + [WELL] * 3):
        open_, news = advance(open_, judgement, NOW + minute * MINUTE, RULES)
        kinds += told(news)
    assert kinds == ["notice"]
    assert open_ == {}


def test_since_is_when_the_facts_say_it_began() -> None:
    began = NOW - 9 * MINUTE
    known = Finding("disk:space", Severity.WARNING, "Wrong", "Do", began)
    open_, _ = advance({}, ill(known), NOW, RULES)
    assert (open_["disk:space"].since, open_["disk:space"].opened_at) == (began, NOW)


def test_an_incident_that_comes_back_is_a_new_one() -> None:
    open_: dict[str, Incident] = {}
    kinds = []
    for judgement in (ill(), WELL, WELL, ill(), WELL, WELL):
        open_, news = advance(open_, judgement, NOW, RULES)
        kinds += told(news)
    assert kinds == ["alert", "recovered", "alert", "recovered"]


Seen = str | Severity
ROUNDS = st.lists(
    st.tuples(
        st.sampled_from([0, 1, 29, 30, 31, 119, 120, 240, 361, 3000, -5]),  # minutes since
        st.sampled_from(["well", "blind", *Severity]),
    ),
    max_size=25,
)


def expected(model: dict[str, Any], seen: Severity, now: datetime) -> str | None:
    """What is told of a finding; `model` is changed. Told again once for all that have passed."""
    before, minutes = model["severity"], (now - model["opened"]) / MINUTE
    severity = max(before, seen, key=lambda one: one.rank)
    if severity is Severity.WARNING and minutes >= RULES.escalate_after_minutes:
        severity = Severity.CRITICAL
    again = [30, 120, *(360 * number for number in range(1, 300))]
    passed = any(model["told"] < moment <= minutes for moment in again)
    model |= {"good": 0, "severity": severity}
    if severity is Severity.NOTICE or (severity is before and not passed):
        return None
    model["told"] = max(model["told"], minutes)
    return "still" if severity is before else "worse"


@settings(max_examples=100)
@given(rounds=ROUNDS)
def test_begin_end_and_what_lies_between_are_told_as_a_list_of_moments_says(
    rounds: list[tuple[int, Seen]],
) -> None:
    now, open_ = NOW, dict[str, Incident]()
    model: dict[str, Any] | None = None
    for minutes, seen in rounds:
        now += minutes * MINUTE
        kind = None
        if isinstance(seen, Severity):
            judgement = ill(finding(severity=seen))
            if model is None:
                model = {"severity": seen, "opened": now, "told": 0, "good": 0}
                kind = "notice" if seen is Severity.NOTICE else "alert"
            else:
                kind = expected(model, seen, now)
        else:
            judgement = WELL if seen == "well" else Judgement((), ("disk:",))
            if model is not None and seen == "well":
                model["good"] += 1
                if model["good"] == RULES.recover_rounds:
                    kind = None if model["severity"] is Severity.NOTICE else "recovered"
                    model = None
        open_, news = advance(open_, judgement, now, RULES)
        assert told(news) == ([kind] if kind else [])
        assert list(open_) == (["disk:space"] if model else [])
