"""What every source of rows offers, and how a row becomes a sample."""

import json
import traceback
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol, Self

from sgleval.errors import UserError
from sgleval.sample import Sample, plain

Row = dict[str, Any]
Placed = tuple[str, Row]
"""Where a row stands, as its reader names it (`data.jsonl:3`), and the row."""

ToSample = Callable[[Any], Sample]
"""Takes one row, or with `group_by` the list of rows that share a value."""

STANDARD = frozenset({"id", "image", "images", "question", "answers", "answer", "choices"})
SCALARS = (str, bool, int, float, Decimal, date, datetime, time)


class Source(Protocol):
    """Where rows come from; `rows` can be read again and gives the same for the same seed."""

    @property
    def name(self) -> str:
        """What the dataset is called where its task says nothing."""

    @property
    def folder(self) -> Path | None:
        """The folder that the images' paths stay in; None where paths are absolute."""

    def located(self, folder: Path) -> Self:
        """Return the source with its relative path starting at `folder`."""

    def rows(self, seed: int) -> Iterator[Placed]:
        """Yield the rows in order; `UserError` says where one cannot be read."""


def standard_sample(row: Row) -> Sample:
    """Make a sample of a row in the standard shape.

    The columns are `id`, `image` or `images`, `question`, `answers` (or `answer`) and `choices`.
    Of the others scalars become tags (null is an absent tag), lists and objects are left out.

    Raises:
        UserError: a column is missing or has the wrong type; the caller knows the row.
    """
    for column in ("id", "question"):
        if row.get(column) is None:
            raise UserError(f"has no {column}; {columns_of(row)}")
    if not isinstance(row["id"], (str, int)):
        raise UserError(f"the id is {row['id']!r:.60}; give text or a whole number")
    if not isinstance(row["question"], str):
        raise UserError(f"the question is {row['question']!r:.60}; give text")
    tags: Row = {  # Sample makes texts of them
        column: value
        for column, value in row.items()
        if column not in STANDARD and isinstance(value, SCALARS)
    }
    return Sample(
        id=str(row["id"]),
        images=_images(row),
        question=row["question"],
        answers=_answers(row),
        choices=_texts("choices", [] if row.get("choices") is None else row["choices"]),
        tags=tags,
    )


def called(to_sample: ToSample, given: Row | list[Row]) -> Sample:
    """Call the user's `to_sample`; whatever goes wrong in it becomes a line about the row."""
    try:
        sample = to_sample(given)
    except UserError:
        raise
    except KeyError as error:
        row = given[0] if isinstance(given, list) else given
        if error.args and error.args[0] not in row:
            raise UserError(f"has no column {error.args[0]!r}; {columns_of(row)}") from error
        raise UserError(raised("to_sample", error)) from error
    except Exception as error:  # the user's code: any mistake in it is a line of the report
        raise UserError(raised("to_sample", error)) from error
    if not isinstance(sample, Sample):
        raise UserError(f"to_sample returned {sample!r:.60}; return a Sample")
    return sample


def columns_of(row: Row) -> str:
    """Return the half-sentence that lists a row's columns."""
    return f"its columns are {', '.join(row)}" if row else "the row is empty"


def raised(function: str, error: Exception) -> str:
    """Return what a function of the user's raised, and where, in a line."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    text = " ".join(str(error).split())
    return f"{function} raised {type(error).__name__}: {text} ({frame.filename}:{frame.lineno})"


def _images(row: Row) -> Sequence[Any]:
    one, several = row.get("image"), row.get("images")
    if one is not None and several is not None:
        raise UserError("has both image and images; give one of them")
    return [one] if one is not None else several or []


def _answers(row: Row) -> list[str]:
    given = row.get("answers")
    if given is None:
        given = row.get("answer")
    if given is None or given == "":
        return []
    if isinstance(given, dict):  # a gold record, for the answer type Json
        return [json.dumps(given, ensure_ascii=False)]
    return _texts("answers", [given] if isinstance(given, SCALARS) else given)


def _texts(column: str, items: Any) -> list[str]:
    if not isinstance(items, (list, tuple)):
        raise UserError(
            f"{column} is {items!r:.60}; give a list (in a CSV cell a JSON array, in any other "
            "shape a to_sample)"
        )
    return [item if isinstance(item, str) else _text(column, item) for item in items]


def _text(column: str, item: Any) -> str:
    if not isinstance(item, SCALARS):
        raise UserError(f"{column} holds {item!r:.60}; give texts or numbers")
    return plain(item)
