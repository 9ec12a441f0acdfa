"""Perturbations: named, versioned, seeded changes of questions and pictures.

`parse` reads what a command line gives; `translate`, `dialect`, `person_name` and `gender` make
one of a function or words of your own.
"""

from sgleval.perturb.donors import donors
from sgleval.perturb.perturbation import Perturbation
from sgleval.perturb.spec import of_name, parse
from sgleval.perturb.substitution import dialect, gender, person_name, translate

__all__ = [
    "Perturbation",
    "dialect",
    "donors",
    "gender",
    "of_name",
    "parse",
    "person_name",
    "translate",
]
