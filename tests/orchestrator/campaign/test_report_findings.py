"""Clusters and proposals in one form, whatever their documents hold."""

from __future__ import annotations

from orchestrator.campaign.report_findings import diff, finding, proposal, written


def test_a_cluster_is_named_by_where_what_and_how() -> None:
    found = finding({"vendor": "ghl", "server": "ghl", "operation": "search_contacts",
                     "kind": "server_error", "status": 503, "count": 12})  # fmt: skip

    assert found.title == "ghl · search contacts · server error · 503"
    assert found.count == 12


def test_a_document_without_anything_is_still_shown() -> None:
    assert finding({}).title == "failures without a name"
    assert proposal({}).title == "proposal"
    assert proposal({"patch": "no list", "measured": 3}).diff == ()


def test_a_patch_is_a_diff_whose_old_value_comes_from_its_test() -> None:
    lines = diff(
        [
            {"op": "test", "path": "/a", "value": 1},
            {"op": "replace", "path": "/a", "value": {"b": 2}},
            {"op": "remove", "path": "/c"},
        ]
    )

    assert [(one.mark, one.text) for one in lines] == [
        ("@", "/a  (replace)"), ("-", "1"), ("+", "{"), ("+", '  "b": 2'), ("+", "}"),
        ("@", "/c  (remove)"),
    ]  # fmt: skip


def test_a_patch_that_was_measured_says_what_was_measured() -> None:
    trials = {"before": {"failures": 41, "leads": 20}, "after": {"failures": 2, "leads": 20}}

    found = proposal({"measured": {"condition": "clay slow", **trials}})

    assert [fact.value for fact in found.facts] == [
        "20 leads replayed, clay slow: 41 such failures without the patch, 2 with it"
    ]


def test_values_of_every_kind_are_words() -> None:
    assert written({"cured_leads": 1200, "ok": True, "of": [1, "b"]}) == (
        "cured leads 1,200, ok yes, of 1, b"
    )
    assert written(None) == "-"
    assert written({}) == written([]) == "none"
    assert len(written("x" * 9000)) <= 400
