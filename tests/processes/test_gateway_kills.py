"""The gateway is killed while people click: one word counts, nothing is lost, nobody gets two.

With P3's crash matrix, whose victims are the queen and her servers, this is the fifth victim.
"""

from __future__ import annotations

import random
import socket
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.processes.assisted import ANA, BEN, Up, fitting, up, visit
from tests.processes.swarm import swarm

pytestmark = [
    pytest.mark.processes, pytest.mark.kill, pytest.mark.long, pytest.mark.timeout(900),
]  # fmt: skip
PEOPLE, SEED = 8, 5


def kill_gateway(here: Up) -> None:
    """SIGKILL; the supervisor starts it again."""
    for child in psutil.Process(here.process.pid).children():
        if "orchestrator.gateway" in child.cmdline():
            child.kill()
            child.wait(10)
            return
    raise AssertionError("the gateway is not running")


def clicked(here: Up, user: str, ts: str, action: str) -> bool:
    """Whether the click got its answer; a gateway that is dead gives none."""
    try:
        return bool(here.click(user, ts, action)["accepted"])
    except httpx.HTTPStatusError:
        return False


def ended(here: Up) -> list[dict[str, Any]]:
    return here.query("SELECT * FROM approvals WHERE state <> 'waiting'")


def test_whenever_the_gateway_dies_each_card_is_decided_once_and_each_email_goes_once(
    tmp_path: Path,
) -> None:
    dice = random.Random(SEED)
    with up(tmp_path, port=free_port()) as here:
        for number, row in enumerate(fitting(PEOPLE)):
            assert here.visits(visit(row, number)) == 200
        open_ = "SELECT row FROM run_items WHERE state IS NULL"
        here.until("the rows", lambda: here.query("SELECT row FROM run_items"))
        here.until("the decisions", lambda: not here.query(open_))
        waiting = len(here.query("SELECT approval_id FROM approvals"))
        assert waiting > PEOPLE / 2  # some were blocked: the sandbox's bank has a past
        cards = here.until("the cards", lambda: len(found := here.cards()) == waiting and found)
        for card in cards:
            clicked(here, ANA, card["ts"], "swarm_approve")
            time.sleep(dice.random() * 0.03)  # somewhere between the proof and the last commit
            kill_gateway(here)
            here.until("the gateway", lambda: alive(here))
            # They saw no answer, or did: they click again, and somebody else does.
            for user in (ANA, BEN):
                assert clicked(here, user, card["ts"], "swarm_approve")
        here.until("decisions", lambda: len(ended(here)) == waiting)
        here.until("e-mails", lambda: len(here.sandbox.outbox()) == waiting)
        assert Counter(row["state"] for row in ended(here)) == {"approved": waiting}
        assert max(Counter(mail["to"] for mail in here.sandbox.outbox()).values()) == 1
        assert len(here.cards()) == waiting  # none is shown twice
        code, verified = swarm(here.hive, "audit", "verify")
        assert (code, verified["ok"]) == (0, True)


def alive(here: Up) -> bool:
    try:
        return httpx.get(f"{here.gateway}/healthz", trust_env=False, timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


def free_port() -> int:
    """A port that the gateway is given, so that it comes back where Slack looks for it."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port
