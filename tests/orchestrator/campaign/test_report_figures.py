"""The numbers that are read first agree with the questions and with themselves."""

from __future__ import annotations

from orchestrator.campaign.report_figures import Figure, figures
from tests.orchestrator.campaign.report_samples import question, record, sample, span


def named(found: tuple[Figure, ...], name: str) -> Figure:
    [one] = [figure for figure in found if figure.name == name]
    return one


def test_a_breaker_that_a_failed_probe_opens_again_has_tripped_once() -> None:
    spans = [
        span("closed", 0, 10), span("open", 10, 20), span("half_open", 20, 21),
        span("open", 21, 34), span("closed", 34, 60),
    ]  # fmt: skip
    told = named(figures(record(breakers=spans)), "breaker trip")
    assert told.value == "1"
    assert told.remark == "opened 2×, 1 of them again after a probe, 23 s in all"


def test_where_nothing_tripped_nothing_opened() -> None:
    told = named(figures(record()), "breaker trips")
    assert (told.value, told.remark) == ("0", "opened 0×, 0 s in all")


def test_retries_are_those_that_the_question_counted() -> None:
    counted = {"vendors": {"ghl": {"first": 9, "retries": 3}, "clay": {"first": 9, "retries": 4}}}
    asked = question(id="retries_bounded", evidence=counted)
    seen = (sample(0), sample(60, retries=5))
    assert named(figures(record(samples=seen, questions=(asked,))), "retries").value == "7"
    assert named(figures(record(samples=seen)), "retries").value == "5"
