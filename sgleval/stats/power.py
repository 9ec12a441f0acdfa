"""How many samples a difference needs, and which difference so many samples can show."""

from __future__ import annotations

from math import ceil, sqrt

from sgleval.errors import UserError

LEVEL, POWER = 0.95, 0.8


def sample_size(
    discordance: float,
    difference: float,
    design_effect: float = 1.0,
    level: float = LEVEL,
    power: float = POWER,
) -> int:
    """Return how many samples a paired test needs to find a difference of two shares.

    `discordance` is the share of samples that one of the two alone has right; `design_effect`
    multiplies the number where samples share images. Connor 1987: (z·√d + z'·√(d - δ²))² / δ².

    Raises:
        UserError: the difference is not above 0, or greater than the discordance.

    >>> sample_size(discordance=0.1, difference=0.02)
    1960
    """
    if not 0 < difference <= discordance <= 1:
        raise UserError(
            f"difference {difference:g}, discordance {discordance:g}: "
            "give 0 < difference <= discordance <= 1"
        )
    sure, strong = quantiles(level, power)
    spread = sure * sqrt(discordance) + strong * sqrt(discordance - difference**2)
    return ceil(design_effect * spread**2 / difference**2)


def detectable(discordance: float, n: int, design_effect: float = 1.0) -> float:
    """Return the smallest difference of two shares that `n` paired samples show in 4 of 5 cases.

    At the 5 % level: `sample_size` solved for the difference. A difference greater than
    `discordance` (as any is, if that is 0) brings its own: then all discordant samples favour one
    side. 1 if even the greatest difference would need more samples.

    >>> round(detectable(discordance=0.1, n=1960), 4)
    0.02
    """
    sure, strong = quantiles()
    effective = n / design_effect
    if effective <= sure**2:
        return 1.0
    root = strong * sqrt(effective - sure**2 + strong**2)
    found = sqrt(discordance) * (sure * sqrt(effective) + root) / (effective + strong**2)
    return min(1.0, found if 0 < found <= discordance else _one_sided(effective, sure, strong))


def _one_sided(effective: float, sure: float, strong: float) -> float:
    """Solve (z + z'·√(1 - δ))² = n·δ by bisection: the left falls in δ and the right rises."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if (sure + strong * sqrt(1 - middle)) ** 2 > effective * middle:
            low = middle
        else:
            high = middle
    return high


def quantiles(level: float = LEVEL, power: float = POWER) -> tuple[float, float]:
    """Return the normal quantiles that a two-sided test at `level` and its `power` go by."""
    from scipy.special import ndtri

    return float(ndtri((1 + level) / 2)), float(ndtri(power))
