"""Log lines: JSON, whose work it was, no address, no body."""

from __future__ import annotations

import json
import logging
from io import StringIO
from typing import Any

import structlog

from guardrails.correlation import Correlation, correlated
from guardrails.logs import PROCESSORS, library_formatter


def line(event: str, **said: Any) -> dict[str, Any]:
    """What structlog would write."""
    made: Any = {"event": event, **said}
    for processor in (*PROCESSORS, structlog.processors.JSONRenderer()):
        made = processor(None, "warning", made)
    found: dict[str, Any] = json.loads(made)
    return found


def from_library(log: Any) -> dict[str, Any]:
    """What a library's logger would write."""
    out = StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(library_formatter())
    logger = logging.Logger("some.library")
    logger.addHandler(handler)
    log(logger)
    (text,) = out.getvalue().splitlines()
    found: dict[str, Any] = json.loads(text)
    return found


def test_a_line_says_whose_work_it_was_unless_it_names_its_own() -> None:
    with correlated(Correlation("L-1", "R-1")):
        assert (line("x")["lead_id"], line("x")["run_id"]) == ("L-1", "R-1")
        assert line("x", lead_id="L-2")["lead_id"] == "L-2"
    assert "lead_id" not in line("x")


def test_an_address_is_taken_out_wherever_it_stands() -> None:
    said = line("to ana@firm.example", deep={"list": ["ben@firm.example"], "n": 3})
    assert said["event"] == "to [address]"
    assert said["deep"] == {"list": ["[address]"], "n": 3}


def test_a_long_value_is_cut() -> None:
    assert len(line("x", body="word " * 10_000)["body"]) < 2100


def test_a_traceback_holds_no_variables() -> None:
    key = "secret-key-of-a-vendor"
    try:
        raise ValueError(f"no {len(key)} for ana@firm.example")
    except ValueError:
        text = json.dumps(line("crashed", exc_info=True))
    assert "ValueError" in text
    assert "[address]" in text
    assert key not in text


def test_a_library_logs_in_the_same_form() -> None:
    def warn(logger: logging.Logger) -> None:
        with correlated(Correlation("L-1")):
            logger.warning("cannot write to %s", "ana@firm.example")

    said = from_library(warn)
    assert (said["event"], said["level"]) == ("cannot write to [address]", "warning")
    assert (said["logger"], said["lead_id"]) == ("some.library", "L-1")
    assert said["timestamp"]


def test_a_librarys_exception_is_part_of_its_line() -> None:
    def crash(logger: logging.Logger) -> None:
        try:
            raise OSError("disk")
        except OSError:
            logger.exception("failed")

    assert "OSError" in json.dumps(from_library(crash)["exception"])
