"""Every spelling of one person's address, and nobody else's."""

from __future__ import annotations

from pathlib import Path

import pytest

from guardrails.hive import Hive
from orchestrator.forget.files import erase_files
from orchestrator.forget.person import Person

SALT = b"s" * 32
ANA = Person.of(SALT, "Ana.Lind@firm.example")


@pytest.mark.parametrize(
    "text",
    [
        "ana.lind@firm.example", "ANA.LIND@Firm.Example", "<ana.lind+x.1@firm.example>",
        "to=ana.lind%40firm.example&", "q%3Dana.lind%2Bnews%40firm.example",
        '"ana.lind@firm.example."',
        "ana.lind@firm.example\\n", '"email\\nAna.Lind@firm.example"',
        '"\\t\\u003cana.lind@firm.example"',
        '{"body": "Hi,\\\\r\\\\nana.lind@firm.example"}',
        "mailto:ana.lind@firm.example,ben@firm.example",
    ],
)  # fmt: skip
def test_a_spelling_of_hers_is_found(text: str) -> None:
    assert ANA.pattern.search(text)
    assert ANA.bytes_pattern.search(text.encode())


@pytest.mark.parametrize(
    "text",
    [
        "xana.lind@firm.example", "christiana.lind@firm.example", "ana-lind@firm.example",
        "ana.lind@firm.example.org", "ana.lind@firm.examples", "ana.lind@myfirm.example",
        "to-ana.lind@firm.example", "\\nana-lind@firm.example", "nana.lind@firm.example",
        "ana.lind at firm.example",
    ],
)  # fmt: skip
def test_another_address_is_left_alone(text: str) -> None:
    assert not ANA.pattern.search(text)


def test_gmail_has_no_dots_and_two_names() -> None:
    person = Person.of(SALT, "a.na.lind+x@googlemail.com")
    for text in ("analind@gmail.com", "an.a.lind+y@GoogleMail.com"):
        assert person.pattern.search(text)
    assert not person.pattern.search("analinda@gmail.com")


@pytest.mark.parametrize("typed", ["ana@firmä.example", "ana@xn--firm-ooa.example"])
def test_a_domain_of_other_letters_is_found_in_both_forms(typed: str) -> None:
    person = Person.of(SALT, typed)
    for text in ("ana@firmä.example", "ana@xn--firm-ooa.example"):
        assert person.pattern.search(text)
        assert person.bytes_pattern.search(text.encode())


def test_it_is_found_across_the_pieces_in_which_a_file_is_read(tmp_path: Path) -> None:
    hive = Hive.open(tmp_path / "hive", sandbox=True)
    log = hive.logs_dir / "big.log"
    address = b"ana.lind@firm.example"
    for shift in range(0, len(address) + 2, 3):
        before = b"-" * (1024 * 1024 - shift - 1) + b" "
        log.write_bytes(before + address + b" end")
        assert erase_files(hive, ANA) == 1
        assert log.read_bytes() == before + b"x" * len(address) + b" end"
