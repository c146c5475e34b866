"""Incidents: one alert each, told again with time, and the word that it is over."""

from __future__ import annotations

from datetime import timedelta

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
