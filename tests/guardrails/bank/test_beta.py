"""The Beta tail against values known in closed form or by exact integer arithmetic."""

from __future__ import annotations

from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrails.bank.beta import beta_tail

_PARAMETER = st.floats(0.05, 2000)
_RATE = st.floats(0.001, 0.999)


def _by_binomial(a: int, b: int, x: float) -> float:
    """P(theta > x) for whole a, b: fewer than a successes in a + b - 1 throws."""
    n = a + b - 1
    return sum(comb(n, j) * x**j * (1 - x) ** (n - j) for j in range(a))


@pytest.mark.parametrize(
    ("failures", "trials", "expected"),
    [(0, 0, 0.08), (1, 1, 0.34), (2, 2, 0.59), (4, 4, 0.89), (5, 8, 0.81), (5, 6, 0.91)],
)
def test_the_published_numbers_hold(failures: int, trials: int, expected: float) -> None:
    tail = beta_tail(0.5 + failures, 4.5 + trials - failures, 0.30)
    assert tail == pytest.approx(expected, abs=0.005)


@given(st.integers(1, 60), st.integers(1, 60), _RATE)
def test_whole_parameters_agree_with_the_binomial_sum(a: int, b: int, x: float) -> None:
    assert beta_tail(a, b, x) == pytest.approx(_by_binomial(a, b, x), abs=1e-11)


@given(_PARAMETER, _PARAMETER, _RATE)
def test_the_two_sides_add_up_to_one(a: float, b: float, x: float) -> None:
    mirrored = 1.0 - (1.0 - x)  # the rate that the mirror image really sees
    assert beta_tail(a, b, mirrored) + beta_tail(b, a, 1.0 - x) == pytest.approx(1, abs=1e-9)


@given(st.floats(0.1, 50), _RATE)
def test_a_power_law_has_its_closed_form(a: float, x: float) -> None:
    assert beta_tail(a, 1, x) == pytest.approx(1 - x**a, abs=1e-12)


def test_half_a_failure_and_half_a_success_is_the_arcsine_law() -> None:
    assert beta_tail(0.5, 0.5, 0.25) == pytest.approx(2 / 3, abs=1e-12)


def test_the_ends_are_certain() -> None:
    assert beta_tail(2, 3, 0.0) == 1.0
    assert beta_tail(2, 3, 1.0) == 0.0


@pytest.mark.parametrize(
    ("a", "b", "x"),
    [(0, 1, 0.5), (1, -1, 0.5), (float("nan"), 1, 0.5), (1, float("inf"), 0.5), (1, 1, 1.5)],
)
def test_what_is_no_distribution_is_refused(a: float, b: float, x: float) -> None:
    with pytest.raises(ValueError, match=r"does not exist|not a rate"):
        beta_tail(a, b, x)
