"""The two ways a run ends that are not our bugs; everything else shows its traceback."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """A mistake of the user's: one line that says where, what was found and what to do (exit 2)."""


class RunError(Exception):
    """The run could not finish although nothing was wrong with the request (exit 1).

    What was answered until then is in the journal.
    """


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a half-sentence that names the nearest known name, or all of them.

    >>> nearest("anl", ["anls", "wer"])
    'did you mean anls?'
    """
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]}?" if close else f"known: {', '.join(known)}"
