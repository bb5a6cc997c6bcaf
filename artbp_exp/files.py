"""Writes files so that a crash, a full disk or a planted link does no harm."""

import json
import math
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from artbp_exp.errors import UserError


def write_atomically(path: Path, write: Callable[[Path], object], *, keep: Path | None = None) -> None:
    """Writes to a temporary file beside `path`, flushes it to disk, and renames: whole or not at all.

    Args:
        path: the file.
        write: writes the content to the path it is given.
        keep: what the file there before is renamed to, once the new one is whole; None drops it.
    """
    temporary = path.with_name(f".{path.name}.partial")
    try:
        temporary.unlink(missing_ok=True)  # what a killed process left; and never write through a link
        write(temporary)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        if keep is not None and path.exists():
            path.replace(keep)
        temporary.replace(path)
        flush_folder(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def flush_folder(path: Path) -> None:
    """Makes the renames in a folder survive a power cut."""
    if os.name == "nt":
        return  # folders cannot be opened there
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def try_writing(folder: Path) -> None:
    """Makes the folder if it is missing, and writes to it: to be called before a long computation.

    Raises:
        OSError: one of the two fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryFile(dir=folder):
        pass


def refuse_links(folder: Path, names: Iterable[str]) -> None:
    """Refuses a run folder in which one of the files to be written is a link: it would lead out of the folder.

    Raises:
        UserError: one is.
    """
    for name in names:
        if (folder / name).is_symlink():
            raise UserError(f"{folder / name} is a link, and would be written through; remove it")


@contextmanager
def writing(
    path: object,
    remedy: str = "free the disk or choose another run_dir",
    *,
    refusals: tuple[type[Exception], ...] = (OSError,),
) -> Iterator[None]:
    """Tells the user, with what to do about it, where the operating system refuses to write.

    Args:
        path: what is written to.
        remedy: what the user can do.
        refusals: errors by which it, or a library, says so.

    Raises:
        UserError: in place of the error.
    """
    try:
        yield
    except refusals as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UserError(f"cannot write to {path}: {reason}; {remedy}") from error


def strict_json(value: Any) -> str:
    """Indented JSON that ends with a newline. Strict JSON has no nan and no infinity: they become null."""
    return json.dumps(_finite(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(below) for key, below in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(below) for below in value]
    return value
