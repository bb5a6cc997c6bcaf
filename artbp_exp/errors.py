"""The one exception that means 'the user can mend this'."""

import difflib
from collections.abc import Iterable


class UserError(ValueError):
    """A mistake in what the user asked for: shown as one line, exit code 2, never a traceback.

    Takes one string, so that it survives pickling on its way back from a worker process.
    """


def nearest(name: str, valid: Iterable[str]) -> str:
    """Says which valid names there are, the nearest to `name` first: the tail of an error message."""
    names = sorted(valid)
    close = difflib.get_close_matches(name, names, n=2, cutoff=0.5)
    hint = f"did you mean {' or '.join(close)}? " if close else ""
    return f"{hint}valid: {', '.join(names) or '(none)'}"
