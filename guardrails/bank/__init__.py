"""The reasoning bank: have we failed with this pattern, and does it match what worked?

Owns `.hive-mind/reasoning_bank.json`. An unreadable bank is `BankUnreadable`, never "no failures
found".
"""

from guardrails.bank.bank import Bank, create_bank, parse_lesson
from guardrails.bank.consult import consult_slice
from guardrails.bank.describe import BankRow, describe
from guardrails.bank.fold import fold, merge
from guardrails.bank.models import (
    Document,
    Event,
    Evidence,
    Item,
    ItemAction,
    ItemKey,
    Lesson,
    Pattern,
)
from guardrails.bank.seed import SeedLesson, load_seed_lessons
from guardrails.bank.slices import BankSlice

__all__ = [
    "Bank",
    "BankRow",
    "BankSlice",
    "Document",
    "Event",
    "Evidence",
    "Item",
    "ItemAction",
    "ItemKey",
    "Lesson",
    "Pattern",
    "SeedLesson",
    "consult_slice",
    "create_bank",
    "describe",
    "fold",
    "load_seed_lessons",
    "merge",
    "parse_lesson",
]
