"""The live view: fits its terminal, and is silent without one."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from orchestrator.campaign.live import PER_SECOND, LiveView, frame, timeline
from orchestrator.campaign.snapshot import Event, Snapshot
from tests.orchestrator.campaign.report_samples import HOSTILE, span

KINDS = {f"fault_{letter}": 20 - index for index, letter in enumerate("abcdefghijklmnop")}


def snapshot(lanes: int = 6, text: str = "enricher killed on purpose") -> Snapshot:
    spans = tuple(
        one
        for index in range(lanes)
        for one in (
            span("closed", 0, 250, vendor=f"vendor{index:02}"),
            span("open", 250, 280, vendor=f"vendor{index:02}", reason=text),
            span("half_open", 280, 300, vendor=f"vendor{index:02}"),
        )
    )
    return Snapshot(
        phase="faults", campaign_id="chaos-1", kind="random", elapsed_s=312, t=300, planned_s=600,
        round=17, leads_done=6, leads_total=10, faults_by_kind=KINDS, spans=spans, retries=131,
        failures=402, spend_micros=3_120_000, cap_micros=10_000_000, restarts={"enricher": 4},
        events=tuple(Event(200.0 + n, f"{text} {n}") for n in range(50)), note=text,
    )  # fmt: skip


def drawn(seen: Snapshot, width: int, height: int, plain: bool = False) -> list[str]:
    console = Console(width=width, height=height, file=io.StringIO(), record=True)
    console.print(frame(seen, width, height, plain))
    return console.export_text().splitlines()


@pytest.mark.parametrize(("width", "height"), [(80, 24), (200, 50), (60, 15), (40, 10)])
@pytest.mark.parametrize("lanes", [0, 6, 18])
def test_it_fits_every_terminal(width: int, height: int, lanes: int) -> None:
    rows = drawn(snapshot(lanes), width, height)

    assert len(rows) < height
    assert max(len(row.rstrip()) for row in rows) <= width


def test_eighty_by_twenty_four_shows_everything_a_person_asks_for() -> None:
    text = "\n".join(drawn(snapshot(), 80, 24))

    for told in ("faults 5:00 of 10:00", "round 17", "6 of 10", "$3.12 of $10.00", "retries 131",
                 "restarts 4 (enricher 4)", "vendor05 read", "half open", "fault a",
                 "killed on purpose 49"):  # fmt: skip
        assert told in text


def test_a_wide_terminal_shows_more_of_the_past() -> None:
    narrow, wide = (drawn(snapshot(), *size) for size in ((80, 24), (160, 50)))

    assert sum("killed on purpose" in row for row in wide) > sum(
        "killed on purpose" in row for row in narrow
    )


def test_breakers_that_opened_are_shown_before_those_that_did_not() -> None:
    calm = tuple(span("closed", 0, 300, vendor=f"calm{index}") for index in range(30))
    seen = Snapshot(
        phase="faults", campaign_id="c", kind="sweep", elapsed_s=300, t=300, planned_s=0, round=1,
        leads_done=0, leads_total=0, spans=(*calm, span("open", 290, 300, vendor="zebra")),
    )  # fmt: skip

    text = "\n".join(drawn(seen, 80, 24))

    assert "zebra read" in text
    assert "more" in text


def test_a_piece_of_time_shows_its_gravest_state_and_nothing_where_none_is_known() -> None:
    spans = [span("closed", 10, 14.5), span("open", 14.5, 14.6), span("half_open", 14.6, 20)]

    assert timeline(spans, 0, 20, 4) == ["", "", "open", "half_open"]
    assert timeline(spans, 20, 20, 3) == ["", "", ""]


def test_without_unicode_it_is_plain_ascii() -> None:
    assert "\n".join(drawn(snapshot(), 80, 24, plain=True)).isascii()


def test_outside_text_moves_no_cursor() -> None:
    text = "\n".join(drawn(snapshot(text=HOSTILE), 80, 24))

    assert not set("\x1b\u202e\ud800") & set(text)


def test_it_is_silent_when_there_is_no_terminal_and_when_quiet() -> None:
    for terminal, quiet in ((False, False), (True, True)):
        console = Console(file=io.StringIO(), force_terminal=terminal, width=80, height=24)
        with LiveView(console, quiet=quiet) as view:
            view.update(snapshot())
        assert not view.active
        assert console.file.getvalue() == ""  # type: ignore[attr-defined]


def test_on_a_terminal_the_last_snapshot_stays_when_it_ends() -> None:
    console = Console(
        file=io.StringIO(), force_terminal=True, width=80, height=24, _environ={"TERM": "xterm"}
    )
    with LiveView(console) as view:
        view.update(snapshot())

    assert view.active
    assert "6 of 10" in console.file.getvalue()  # type: ignore[attr-defined]


def test_it_is_redrawn_at_most_four_times_a_second() -> None:
    assert PER_SECOND <= 4
