"""Refuse bad settings where they enter: each check returns the value or says what is wrong with it."""

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from numbers import Real
from typing import Any

from artbp_exp.errors import UserError, nearest

_GROUP = ContextVar("group", default="")


@contextmanager
def settings_of(group: str) -> Iterator[None]:
    """Within it arguments are settings of a group of the command line: `length` is called `method.length` in errors."""
    before = _GROUP.set(f"{group}.")
    try:
        yield
    finally:
        _GROUP.reset(before)


def setting(name: str) -> str:
    """How whoever set it knows it: `length` as an argument of the library, `method.length` on the command line."""
    return name if "." in name else f"{_GROUP.get()}{name}"


def number(name: str, value: Any, *, at_least: float | None = None, above: float | None = None) -> float:
    """Returns `value` as a finite float.

    Raises:
        UserError: `value` is not a finite number, or lies below `at_least`, or not above `above`.
    """
    bound = f" ≥ {at_least:g}" if at_least is not None else f" > {above:g}" if above is not None else ""
    wrong = UserError(f"{setting(name)} must be a number{bound}; got {value!r}")
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
        raise wrong
    if (at_least is not None and value < at_least) or (above is not None and value <= above):
        raise wrong
    return float(value)


def whole(name: str, value: Any, *, at_least: int = 0) -> int:
    """Returns `value` as an int; `1e6` is welcome, `1.5` is not.

    Raises:
        UserError: `value` is not a whole number ≥ `at_least`.
    """
    ok = not isinstance(value, bool) and isinstance(value, Real) and math.isfinite(value)
    if not ok or int(value) != value or value < at_least:
        raise UserError(f"{setting(name)} must be a whole number ≥ {at_least}; got {value!r}")
    return int(value)


def in_memory(name: str, value: Any, numbers: int, *, what: str = "parameters", instead: str = "a smaller one") -> None:
    """Refuses what this machine's memory cannot hold, before it is asked for: Linux may grant it, and kill later.

    Args:
        name: of the setting.
        value: that is too large.
        numbers: in single precision, that are needed at least.
        what: they are.
        instead: what to take.

    Raises:
        UserError: they are more than the memory holds.
    """
    if not hasattr(os, "sysconf"):
        return
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    needed = 4 * numbers
    if needed > memory:
        raise UserError(
            f"{setting(name)}={value} needs {needed / 2**30:.3g} GiB for {what} alone; this machine has "
            f"{memory / 2**30:.3g} GiB: take {instead}"
        )


def flag(name: str, value: Any) -> bool:
    """Returns `value` if it is true or false.

    Raises:
        UserError: it is neither.
    """
    if not isinstance(value, bool):
        raise UserError(f"{setting(name)} must be true or false; got {value!r}")
    return value


def text(name: str, value: Any) -> str:
    """Returns `value` if it is text that is not empty.

    Raises:
        UserError: it is not.
    """
    if not isinstance(value, str) or not value:
        raise UserError(f"{setting(name)} must be a name or a path; got {value!r}")
    return value


def path(name: str, value: Any) -> str:
    """Returns `value` as a path with `~` expanded.

    Raises:
        UserError: it is not text, or empty.
    """
    return os.path.expanduser(text(name, value))  # noqa: PTH111 (Path() would also shorten `./a`)


def choice(name: str, value: Any, valid: Sequence[str]) -> str:
    """Returns `value` if it is one of `valid`.

    Raises:
        UserError: it is not; names the nearest.
    """
    if value not in valid:
        raise UserError(f"{setting(name)}={value} is not known; {nearest(str(value), valid)}")
    return str(value)
