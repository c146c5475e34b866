"""Tail probability of a Beta distribution. Owns: the one number the bank's statistics rest on.

Refuses: parameters that are not positive and finite (a defect upstream, never a quiet 0).
The regularised incomplete beta function is evaluated by its continued fraction with the
modified Lentz scheme, on the side of the mean where it converges fast.
"""

from __future__ import annotations

from math import exp, isfinite, lgamma, log, log1p

_TINY = 1e-300
_EPSILON = 1e-15
_MAX_TERMS = 10_000


def beta_tail(a: float, b: float, x: float) -> float:
    """P(theta > x) for theta ~ Beta(a, b); 0 <= x <= 1.

    Raises:
        ValueError: a or b is not positive and finite, or x is outside [0, 1].
    """
    if not (isfinite(a) and isfinite(b) and a > 0 and b > 0):
        raise ValueError(f"Beta({a}, {b}) does not exist")
    if not 0 <= x <= 1:
        raise ValueError(f"{x} is not a rate")
    if x in (0.0, 1.0):
        return 1.0 - x
    scale = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x))
    if x < (a + 1) / (a + b + 2):
        return _unit(1.0 - scale * _fraction(a, b, x) / a)
    return _unit(scale * _fraction(b, a, 1.0 - x) / b)


def _fraction(a: float, b: float, x: float) -> float:
    """The continued fraction of I_x(a, b), without its leading factor."""
    c = 1.0
    d = 1.0 / ((1.0 - (a + b) * x / (a + 1.0)) or _TINY)
    value = d
    for m in range(1, _MAX_TERMS):
        top = a + 2 * m
        even = m * (b - m) * x / ((top - 1) * top)
        d = 1.0 / ((1.0 + even * d) or _TINY)
        c = (1.0 + even / c) or _TINY
        value *= d * c
        odd = -(a + m) * (a + b + m) * x / (top * (top + 1))
        d = 1.0 / ((1.0 + odd * d) or _TINY)
        c = (1.0 + odd / c) or _TINY
        step = d * c
        value *= step
        if -_EPSILON < step - 1.0 < _EPSILON:
            return value
    raise ValueError(f"no convergence for a={a}, b={b}, x={x}")


def _unit(value: float) -> float:
    return min(1.0, max(0.0, value))
