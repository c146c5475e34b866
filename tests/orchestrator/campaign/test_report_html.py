"""report.html: one page, complete, inert and bounded."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from orchestrator.campaign import report_html
from orchestrator.campaign.record import CampaignRecord
from orchestrator.campaign.report_html import page, write_html
from tests.orchestrator.campaign.report_samples import (
    HOSTILE,
    held,
    hostile,
    hour,
    parsed,
    question,
    record,
    sample,
)

CSS = (Path(report_html.__file__).parent / "templates" / "report.css").read_text()


def words_of(text: str) -> str:
    return " ".join(" ".join(parsed(text).itertext()).split())


def test_it_opens_with_the_verdict_and_then_each_question_with_its_numbers() -> None:
    said = words_of(page(held()))

    assert said.index("The swarm held") < said.index("Did anything crash?")
    assert said.index("Did anything crash?") < said.index("At the vendors’ doors")
    assert "1 of 1 questions answered as they must be" in said


def test_one_answer_that_does_not_hold_is_the_verdict() -> None:
    said = words_of(page(record(questions=(question(), question(False, text="Was one lost?")))))

    assert "The swarm did not hold" in said
    assert "1 of 2 questions" in said
    assert "Was one lost? does not hold" in said


def test_a_campaign_that_answered_nothing_did_not_hold() -> None:
    said = words_of(page(record()))

    assert "The swarm did not hold" in said
    assert "No question was answered" in said


def test_it_says_how_to_have_the_same_again_and_what_it_cannot_say() -> None:
    said = words_of(page(held()))

    assert "python scripts/run_failure_campaign.py --seed 7" in said
    assert "built-in twins" in said
    assert "breaker.open_s at most 6 s" in said
    assert "The sweep puts every fault at every call site" in said


def test_a_proposal_is_shown_as_a_diff_with_the_old_value() -> None:
    text = page(held())

    assert '<span class="minus">- 1.5</span>' in text
    assert '<span class="plus">+ 8.25</span>' in text
    assert "Nothing was applied" in text


@pytest.mark.parametrize(
    "given",
    [record(), record(samples=(sample(0.0),)), held(), hostile()],
    ids=["empty", "one sample", "held", "hostile"],
)
def test_it_is_one_well_formed_page_that_fetches_and_runs_nothing(given: CampaignRecord) -> None:
    text = page(given)

    root = parsed(text)
    tags = {each.tag.rsplit("}", 1)[-1] for each in root.iter()}
    assert not tags & {"script", "img", "link", "iframe", "object", "image", "use", "form", "a"}
    attributes = {name for each in root.iter() for name in each.attrib}
    assert not [name for name in attributes if name.startswith("on")]
    assert attributes.isdisjoint({"src", "href", "srcset", "action", "style", "background"})


def test_outside_text_is_shown_as_text_wherever_it_comes_from() -> None:
    text = page(hostile())

    assert HOSTILE not in text
    assert "<img" not in text
    assert not set("\x1b\u202e\ud800") & set(text)
    assert text.count("&lt;script&gt;") > 10


def test_every_class_of_the_charts_has_a_style() -> None:
    used = set()
    for given in (held(), hostile()):
        for chart in re.findall(r'<svg [^>]*class="chart".*?</svg>', page(given), re.S):
            for names in re.findall(r' class="([^"]+)"', chart):
                used |= set(names.split())
    plain = {"key"}  # the default of every text

    assert {name for name in used - plain if f".{name}" not in CSS} == set()


def test_the_styles_fetch_nothing() -> None:
    assert re.findall(r"url\(([^)]*)\)", CSS) == ["#hatch"]
    assert "@import" not in CSS


def test_every_colour_is_defined_for_light_dark_and_print() -> None:
    schemes = re.findall(r":root \{(.*?)\}", CSS, re.S)
    names = [set(re.findall(r"(--[a-z0-9_-]+):", scheme)) for scheme in schemes]

    assert len(names) == 3
    assert names[0] == names[1] == names[2]
    assert set(re.findall(r"var\((--[a-z0-9_-]+)\)", CSS)) <= names[0]


def test_an_hour_of_samples_and_twenty_thousand_faults_is_less_than_two_megabytes() -> None:
    text = page(hour())

    assert len(text.encode()) < 2_000_000
    assert parsed(text) is not None


def test_where_nobody_counted_no_empty_chart_pretends_that_nothing_arrived() -> None:
    given = record(sandbox=False, breakers=held().breakers)

    said = words_of(page(given))

    assert "a real vendor does not tell" in said
    assert "– requests at a shut door nobody counted" in said
    assert "breaker open: none may arrive" not in said


def test_the_table_of_leads_is_closed_when_all_are_the_same_and_open_otherwise() -> None:
    same = held().model_copy(update={"leads": held().leads[1:]})

    assert "<details>" in page(same)
    assert '<details open="open">' in page(held())


def test_the_page_replaces_an_older_one_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    target.write_text("old")

    write_html(hostile(), target)

    assert target.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert list(tmp_path.iterdir()) == [target]


def test_a_page_that_cannot_be_put_in_place_leaves_no_half_of_it(tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    target.mkdir()

    with pytest.raises(OSError, match=r"report\.html"):
        write_html(held(), target)

    assert list(tmp_path.iterdir()) == [target]
