"""A stop is lifted by a person at a terminal who has seen what would go on, and by nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import update

from guardrails.audit import AuditLog
from guardrails.brakes.stop import StopSwitch
from guardrails.brakes.stop_file import place
from guardrails.brakes.stop_raise import raise_row, record_stop
from guardrails.clock import iso, utc_now
from guardrails.errors import BadInput, NotFound, Refused
from guardrails.hive import Hive
from guardrails.store import Store, open_store
from guardrails.store.tables import stop_state
from orchestrator.resume import resume


@pytest.fixture
def opened(hive: Hive) -> Iterator[Store]:
    store = open_store(hive)
    yield store
    store.close()


def stop(hive: Hive, store: Store) -> None:
    place(hive.path, "complaints")
    with store.transaction() as conn:
        raise_row(conn, "complaints", "person:robin", iso(utc_now()))


class Person:
    """Somebody who types one word."""

    def __init__(self, word: str) -> None:
        self.word = word
        self.asked: list[str] = []

    def __call__(self, question: str) -> str:
        self.asked.append(question)
        return self.word


def lifted(hive: Hive, person: Person, reason: str = "they were ours", **how: Any) -> int:
    return resume(hive.path, reason, at_terminal=lambda: True, ask=person, as_json=False, **how)


def test_the_word_lifts_it_and_says_what_does_not_start_by_itself(
    hive: Hive, opened: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    stop(hive, opened)
    assert lifted(hive, Person("resume\n")) == 0
    assert not StopSwitch(hive, opened).state().stopped
    shown = capsys.readouterr().out
    assert "Stopped by robin" in shown
    assert "complaints" in shown
    assert "0 e-mails on their way out" in shown
    assert "stay paused until you start them" in shown


@pytest.mark.parametrize("word", ["", "y", "yes", "RESUME", "resume now"])
def test_any_other_word_leaves_it(hive: Hive, opened: Store, word: str) -> None:
    stop(hive, opened)
    with pytest.raises(Refused, match="not confirmed"):
        lifted(hive, Person(word))
    assert StopSwitch(hive, opened).state().stopped


@pytest.mark.parametrize(("terminal", "as_json"), [(False, False), (True, True)])
def test_no_script_lifts_it_whatever_it_pipes_in(
    hive: Hive, opened: Store, terminal: bool, as_json: bool
) -> None:
    stop(hive, opened)
    person = Person("resume")
    with pytest.raises(Refused, match="terminal"):
        resume(hive.path, "x", at_terminal=lambda: terminal, ask=person, as_json=as_json)
    assert person.asked == []
    assert hive.stop_file.exists()
    assert StopSwitch(hive, opened).state().stopped


def test_what_the_last_press_could_not_verify_is_shown_first(
    hive: Hive, opened: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    stop(hive, opened)
    audit = AuditLog(hive, opened, utc_now)
    for residue in (["Slack"], ["campaigns", "in flight"]):
        asyncio.run(record_stop(audit, "result", "person:robin", {"residue": residue}))
    audit.close()
    lifted(hive, Person("resume"))
    assert "left unverified: campaigns, in flight" in capsys.readouterr().out


def test_a_stop_by_hand_is_lifted_the_same_way(
    hive: Hive, opened: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    hive.stop_file.write_text("touched by hand\n")
    assert lifted(hive, Person("resume")) == 0
    assert "touched by hand" in capsys.readouterr().out
    assert StopSwitch(hive, opened).state().epoch == 1  # what was permitted before is void


def test_a_hive_that_is_not_stopped_is_left_as_it_is(hive: Hive, opened: Store) -> None:
    person = Person("resume")
    assert lifted(hive, person) == 0
    assert person.asked == []
    assert StopSwitch(hive, opened).state().epoch == 0


def test_without_a_reason_or_a_hive_there_is_nothing_to_lift(hive: Hive, opened: Store) -> None:
    stop(hive, opened)
    with pytest.raises(BadInput):
        lifted(hive, Person("resume"), reason=" ")
    with pytest.raises(NotFound):
        resume(hive.path / "none", "x", at_terminal=lambda: True, ask=Person("x"), as_json=False)


def test_a_row_without_a_name_is_shown_all_the_same(
    hive: Hive, opened: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    with opened.transaction() as conn:
        conn.execute(update(stop_state).values(stopped=True, epoch=3, reason=None, actor=None))
    assert lifted(hive, Person("resume")) == 0
    assert "no reason given" in capsys.readouterr().out
