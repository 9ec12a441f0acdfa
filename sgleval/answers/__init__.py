"""Answer types: the constraint for `sgl.gen`, the parser of what came back."""

from sgleval.answers.answer import UNPARSED, Answer, Constraint, JsonSchema, Parsed, Regex
from sgleval.answers.closed import Choice, OneOf, YesNo
from sgleval.answers.date import Date
from sgleval.answers.fields import Json
from sgleval.answers.number import Money, Number
from sgleval.answers.probabilities import confidence, option_probabilities
from sgleval.answers.text import ShortText, Text

__all__ = [
    "UNPARSED",
    "Answer",
    "Choice",
    "Constraint",
    "Date",
    "Json",
    "JsonSchema",
    "Money",
    "Number",
    "OneOf",
    "Parsed",
    "Regex",
    "ShortText",
    "Text",
    "YesNo",
    "confidence",
    "option_probabilities",
]
