"""Intervals and tests for samples that share images: the image is the unit throughout."""

from sgleval.stats.bootstrap import bootstrap
from sgleval.stats.interval import composite_interval, design_effect, interval, wilson
from sgleval.stats.paired import Difference, difference
from sgleval.stats.permutation import permutation
from sgleval.stats.power import detectable, sample_size
from sgleval.stats.ranks import mean_win_rate, win_rates
from sgleval.stats.significance import holm, mcnemar

__all__ = [
    "Difference",
    "bootstrap",
    "composite_interval",
    "design_effect",
    "detectable",
    "difference",
    "holm",
    "interval",
    "mcnemar",
    "mean_win_rate",
    "permutation",
    "sample_size",
    "wilson",
    "win_rates",
]
