"""What a cell of a foreign file says: a prediction, accepted answers, options."""

from __future__ import annotations

import ast
import json
from string import ascii_uppercase
from typing import TYPE_CHECKING, Any

from sgleval.dataset.rows import SCALARS
from sgleval.errors import UserError
from sgleval.sample import plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sgleval.dataset.rows import Row


def cell(row: Row, name: str) -> Any:
    """Return the cell of a column, or of a path into it (`doc.answers`, `resps.0`); None if absent.

    A column whose name has a full stop in it goes before a path.
    """
    if name in row:
        return row[name]
    head, _, rest = name.partition(".")
    value = row.get(head)
    for key in rest.split(".") if rest else ():
        if isinstance(value, dict):
            value = value.get(key)
        elif isinstance(value, list) and key.isdigit() and int(key) < len(value):
            value = value[int(key)]
        else:
            return None
    return value if rest else None


def text(value: Any) -> str | None:
    """Return a scalar as text; null and NaN are none.

    Raises:
        UserError: it is a list or an object.
    """
    if value is None or value != value:  # noqa: PLR0124  (NaN, which is how pandas writes null)
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, SCALARS):
        return plain(value)
    raise UserError(f"is {value!r:.60}; name one value with COL.KEY")


def prediction(value: Any) -> str | None:
    """Return the text of a prediction; the one item of a list of one, an object's JSON text."""
    while isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    return text(value)


def answers(value: Any, *, listed: bool, literal: bool = False) -> list[str]:
    """Return the accepted answers of a cell: a list's items, or one text.

    `listed` says that the text of a JSON array is a list, as in a CSV; `literal` that Python's
    notation of a list of texts is one, too, as VLMEvalKit writes it. An item may be an object with
    `answer`, as in VQA's annotations; an object is the gold record of a structured answer.

    Raises:
        UserError: an item is a list.
    """
    value = _listed(value, literal=literal) if listed and isinstance(value, str) else value
    if isinstance(value, dict):
        return [json.dumps(value, ensure_ascii=False)]
    items = value if isinstance(value, (list, tuple)) else [value]
    named = (item.get("answer") if isinstance(item, dict) else item for item in items)
    return [said for item in named if (said := text(item)) is not None]


def options(value: Any, *, listed: bool) -> list[str]:
    """Return the options' texts in the order of their letters, out of a list or letter → text.

    Raises:
        UserError: it is neither, or the letters are not A, B, C and so on.
    """
    value = _listed(value) if listed and isinstance(value, str) else value
    if not value:
        return []
    if isinstance(value, dict):
        given = {letter: said for letter, said in value.items() if said is not None}
        letters = ascii_uppercase[: len(given)]
        if set(given) != set(letters):
            raise UserError(f"has the letters {', '.join(map(str, given))}; give A, B, C and so on")
        value = [given[letter] for letter in letters]
    if not isinstance(value, (list, tuple)):
        raise UserError(f"is {value!r:.60}; give a list of options, or an object letter → text")
    return [text(item) or "" for item in value]


def lettered(row: Mapping[str, Any]) -> list[str]:
    """Return the options of columns A, B, C and so on, as VLMEvalKit writes them."""
    found = []
    for letter in ascii_uppercase:
        said = text(row.get(letter))
        if not said:
            break
        found.append(said)
    return found


def _listed(value: str, *, literal: bool = False) -> Any:
    """Return the list or object that a text is in JSON, else the text."""
    start = value.lstrip()[:1]
    if start not in ("[", "{"):
        return value
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return _literal(value) if literal and start == "[" else value


def _literal(value: str) -> Any:
    """Read a list of texts in Python's notation; only constants are parsed, nothing runs."""
    try:
        items = ast.literal_eval(value)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return value
    texts = isinstance(items, list) and all(isinstance(item, str) for item in items)
    return items if texts else value
