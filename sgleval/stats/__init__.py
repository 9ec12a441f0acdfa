"""Intervals and tests for samples that share images: the image is the unit throughout."""

from sgleval.stats.bootstrap import bootstrap, no_bootstrap, numbered
from sgleval.stats.interval import (
    Interval,
    composite_interval,
    described_composite,
    described_interval,
    design_effect,
    interval,
    wilson,
)
from sgleval.stats.means import macro_mean, representation_bias
from sgleval.stats.paired import Difference, difference
from sgleval.stats.pairs import pair_accuracy, pair_threshold, winoground
from sgleval.stats.permutation import permutation
from sgleval.stats.power import detectable, sample_size
from sgleval.stats.ranks import mean_win_rate, win_rates
from sgleval.stats.sequence import sequence
from sgleval.stats.significance import holm, mcnemar

__all__ = [
    "Difference",
    "Interval",
    "bootstrap",
    "composite_interval",
    "described_composite",
    "described_interval",
    "design_effect",
    "detectable",
    "difference",
    "holm",
    "interval",
    "macro_mean",
    "mcnemar",
    "mean_win_rate",
    "no_bootstrap",
    "numbered",
    "pair_accuracy",
    "pair_threshold",
    "permutation",
    "representation_bias",
    "sample_size",
    "sequence",
    "wilson",
    "win_rates",
    "winoground",
]
