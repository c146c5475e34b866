"""The lead matrix: a differing round is never hidden, however many rounds there are."""

from __future__ import annotations

from orchestrator.campaign.charts import NARROW, WIDE
from orchestrator.campaign.charts_leads import MOST_ROWS, cells, chosen, lead_matrix
from tests.orchestrator.campaign.report_samples import (
    held,
    hour,
    labels,
    lead,
    of_class,
    parsed,
)


def test_each_lead_has_a_letter_for_every_round_and_its_verdict() -> None:
    chart = parsed(lead_matrix(held().leads))

    assert [each.text for each in of_class(chart, "mark")] == ["S", "SF", "S", "Q", "QQ", "Q"]
    assert "✓ same" in labels(chart)
    assert "~ more cautious under faults" in labels(chart)


def test_one_differing_round_in_thousands_decides_its_cell() -> None:
    under = ["review"] * 3000
    under[1234] = "shadow_logged"

    made = cells(lead(2, "review", under, verdict="different"), 3000, 40)

    assert len(made) <= 40
    differing = [cell for cell in made if cell.mark == "S"]
    assert len(differing) == 1
    assert differing[0].mixed
    assert "1 shadow_logged" in differing[0].title


def test_a_round_without_a_result_is_an_empty_cell() -> None:
    made = cells(lead(2, "review", ("review",)), 3, 10)

    assert [cell.mark for cell in made] == ["R", "·", "·"]


def test_an_unknown_state_is_marked_and_explained() -> None:
    chart = parsed(lead_matrix([lead(2, "review", ("lost",), verdict="lost")]))

    assert "!" in [each.text for each in of_class(chart, "mark")]
    assert "! lost: no known state" in labels(chart)


def test_leads_that_differ_are_drawn_first_and_the_others_are_counted() -> None:
    leads = [lead(row, "review", ("review",)) for row in range(200)]
    leads.append(lead(999, "review", ("lost",), verdict="lost"))

    assert chosen(leads)[0].row == 999
    chart = parsed(lead_matrix(leads))
    assert len([label for label in labels(chart) if label.startswith("lead_")]) == MOST_ROWS
    assert "and 141 more leads, all the same" in labels(chart)


def test_hidden_leads_that_differ_are_not_called_the_same() -> None:
    chart = parsed(lead_matrix(hour().leads))

    assert "and 40 more leads" in labels(chart)


def test_a_hundred_leads_in_thousands_of_rounds_stay_a_bounded_picture() -> None:
    assert len(lead_matrix(hour().leads, WIDE)) < 500_000
    assert len(lead_matrix(hour().leads, NARROW)) < 300_000


def test_no_lead_is_said() -> None:
    assert labels(parsed(lead_matrix(()))) == ["No lead was decided."]
