"""Telling: words, Slack, the local file; nothing is lost and nothing is told twice."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from orchestrator.health.incidents import News
from orchestrator.health.model import Severity
from orchestrator.health.telling import AlertFile, Messenger, said
from orchestrator.slack.tell import Told
from tests.orchestrator.health.samples import NOW, incident


class Slack:
    """What was posted; `up` says whether it takes anything."""

    def __init__(self) -> None:
        self.up = True
        self.posted: list[tuple[str, bool]] = []

    def __call__(self, text: str, urgent: bool) -> Told:
        if not self.up:
            return Told("nobody", "bot: Slack cannot be reached")
        self.posted.append((text, urgent))
        return Told("bot")


def alert(key: str = "disk:space", severity: Severity = Severity.CRITICAL) -> News:
    return News(kind="alert", at=NOW, incident=incident(key, severity=severity))


def lines(folder: Path) -> list[dict[str, str]]:
    file = folder / "alerts.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


@pytest.fixture
def slack() -> Slack:
    return Slack()


@pytest.fixture
def messenger(tmp_path: Path, slack: Slack) -> Messenger:
    return Messenger(AlertFile(tmp_path), slack, "here", sandbox=False)


def test_an_alert_says_what_since_when_and_what_to_do() -> None:
    assert said(alert()) == (
        "CRITICAL: Something is wrong\nSince 2026-03-10 14:00:00 UTC.\nWhat to do: Do something"
    )


def test_the_end_says_how_long_it_lasted_and_a_notice_asks_for_nothing() -> None:
    over = News(kind="recovered", at=NOW + timedelta(minutes=9), incident=incident())
    assert said(over).endswith("It began at 2026-03-10 14:00:00 UTC and lasted 9 min.")
    note = News(kind="notice", at=NOW, incident=incident(severity=Severity.NOTICE))
    assert said(note) == "NOTE: Something is wrong"


def test_an_address_in_what_is_told_is_taken_out(
    messenger: Messenger, slack: Slack, tmp_path: Path
) -> None:
    bad = News(kind="alert", at=NOW, incident=incident(what="ana@firm.example bounced"))
    messenger.deliver([bad])
    assert "@" not in slack.posted[0][0]
    assert "@" not in (tmp_path / "alerts.jsonl").read_text()


def test_news_of_a_round_are_one_message_and_each_a_line(
    messenger: Messenger, slack: Slack, tmp_path: Path
) -> None:
    left, told = messenger.deliver([alert("disk:space"), alert("hive:gone")])
    assert (left, told) == ((), Told("bot"))
    assert len(slack.posted) == 1
    assert [line["key"] for line in lines(tmp_path)] == ["disk:space", "hive:gone"]


def test_only_what_is_critical_calls_people(messenger: Messenger, slack: Slack) -> None:
    messenger.deliver([alert(severity=Severity.WARNING)])
    messenger.deliver(
        [News(kind="recovered", at=NOW, incident=incident(severity=Severity.CRITICAL))]
    )
    messenger.deliver([alert()])
    assert [urgent for _, urgent in slack.posted] == [False, False, True]


def test_what_slack_did_not_take_is_told_later_and_written_once(
    messenger: Messenger, slack: Slack, tmp_path: Path
) -> None:
    slack.up = False
    left, told = messenger.deliver([alert()])
    assert not told
    left, _ = messenger.deliver(left)
    slack.up = True
    left, _ = messenger.deliver(left)
    assert left == ()
    assert (len(slack.posted), len(lines(tmp_path))) == (1, 1)


def test_what_the_disk_did_not_take_is_written_later_and_told_once(
    messenger: Messenger, slack: Slack, tmp_path: Path
) -> None:
    (tmp_path / "alerts.jsonl").mkdir()
    left, _ = messenger.deliver([alert()])
    assert [(news.told, news.logged) for news in left] == [(True, False)]
    (tmp_path / "alerts.jsonl").rmdir()
    left, _ = messenger.deliver(left)
    assert left == ()
    assert (len(slack.posted), len(lines(tmp_path))) == (1, 1)


def test_without_slack_the_file_is_enough(tmp_path: Path) -> None:
    messenger = Messenger(AlertFile(tmp_path), None, "here", sandbox=False)
    assert messenger.deliver([alert()]) == ((), None)
    assert len(lines(tmp_path)) == 1


def test_a_flood_is_shortened_in_slack_and_whole_in_the_file(
    messenger: Messenger, slack: Slack, tmp_path: Path
) -> None:
    messenger.deliver([alert(f"disk:{number}") for number in range(30)])
    assert "and 22 more" in slack.posted[0][0]
    assert len(lines(tmp_path)) == 30
