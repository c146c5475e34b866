"""Progress: told to who asked, in order, and never at anybody's expense."""

from __future__ import annotations

import anyio
import pytest

from servers.common.progress import report, told_to

pytestmark = pytest.mark.anyio


class Ear:
    """Hears, or does not."""

    def __init__(self) -> None:
        self.heard: list[float] = []
        self.now = 0.0

    async def hear(self, done: float, _total: float | None, _message: str | None) -> None:
        self.heard.append(done)

    def monotonic(self) -> float:
        return self.now


async def test_without_anybody_who_asked_it_is_nothing() -> None:
    await report(1, 2)


async def test_it_is_told_a_while_apart_and_never_backwards() -> None:
    ear = Ear()
    with told_to(ear.hear, ear.monotonic):
        for done, at in ((1, 0.0), (2, 0.05), (3, 0.2), (3, 0.4), (2, 0.6), (4, 0.8)):
            ear.now = at
            await report(done, 10)
        await report(10, 10)
    await report(11)
    assert ear.heard == [1, 3, 4, 10]


async def test_a_client_that_cannot_be_told_is_told_no_more() -> None:
    ear = Ear()
    tries = []

    async def stuck(done: float, _total: float | None, _message: str | None) -> None:
        tries.append(done)
        await anyio.sleep_forever()

    with told_to(stuck, ear.monotonic, patience_s=0.01):
        await report(1, 2)
        await report(2, 2)
    assert tries == [1]
