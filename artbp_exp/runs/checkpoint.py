"""`checkpoint.pt`: everything the rest of a run depends on, whole or refused.

The file is what `torch.save` writes, a zip archive, followed by the archive's sha256; `torch.load` and zip readers skip
that. The previous one stays as `checkpoint.previous.pt`.
"""

import hashlib
import io
from pathlib import Path
from typing import Any

import torch

from artbp_exp.errors import UserError
from artbp_exp.files import write_atomically

NEWEST, PREVIOUS = "checkpoint.pt", "checkpoint.previous.pt"
FORMAT = 3
"""Raised whenever what a checkpoint holds changes its meaning."""

_SEAL = len("sha256:") + 64
"""Bytes after the archive."""


class DamagedCheckpoint(ValueError):
    """A checkpoint that must not be used; says why."""


def encode(state: dict[str, Any]) -> bytes:
    """`state` (tensors and plain values) as the bytes of a checkpoint."""
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, "state": state}, buffer)
    return buffer.getvalue() + _seal(buffer.getvalue())


def decode(data: bytes) -> dict[str, Any]:
    """Returns the state in the bytes of a checkpoint; nothing but tensors and plain values is unpickled.

    Raises:
        DamagedCheckpoint: they are not whole, or hold something else.
        UserError: another version of this program wrote them.
    """
    if data[-_SEAL:] != _seal(data[:-_SEAL]):
        raise DamagedCheckpoint("it is cut short or altered, or not a checkpoint")
    try:
        content = torch.load(io.BytesIO(data), weights_only=True, map_location="cpu")
    except MemoryError:
        raise  # says nothing about the file
    except Exception as error:
        raise DamagedCheckpoint(f"it does not load as plain data: {str(error).splitlines()[0]}") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise UserError(
            "another version of this program wrote the checkpoint; overwrite=true starts from the beginning"
        )
    state: dict[str, Any] = content["state"]
    return state


def _seal(archive: bytes) -> bytes:
    return b"sha256:" + hashlib.sha256(archive).hexdigest().encode("ascii")


def save(folder: Path, state: dict[str, Any]) -> None:
    """Writes `checkpoint.pt`, and keeps the previous one; on an OSError the earlier checkpoints are untouched."""
    data = encode(state)
    write_atomically(folder / NEWEST, lambda path: path.write_bytes(data), keep=folder / PREVIOUS)


def load(folder: Path) -> tuple[dict[str, Any] | None, list[str]]:
    """The state of the newest intact checkpoint, None if there is none; and a line on each that was refused.

    One that cannot be read now, does not fit in memory, or is of another version is a UserError; nothing is touched.
    """
    refused: list[str] = []
    for name in (NEWEST, PREVIOUS):
        path = folder / name
        try:
            return decode(path.read_bytes()), refused
        except FileNotFoundError:
            continue
        except OSError as error:
            raise UserError(f"{path} cannot be read: {error.strerror}; nothing was touched, try again") from error
        except MemoryError as error:
            raise UserError(
                f"{path} does not fit in memory; nothing was touched, try again where there is more"
            ) from error
        except UserError as error:
            raise UserError(f"{path}: {error}") from error
        except DamagedCheckpoint as error:
            # out of the way, or the next save would push the good one out by it
            path.replace(path.with_suffix(".damaged"))
            instead = "the one before it is used" if name == NEWEST and (folder / PREVIOUS).exists() else None
            refused.append(f"{path} is refused: {error}; {instead or 'the run starts from the beginning'}")
    return None, refused


def remove(folder: Path, *, damaged: bool) -> None:
    """Removes what a finished run does not need; `damaged`: also those that were refused."""
    for name in (NEWEST, PREVIOUS):
        (folder / name).unlink(missing_ok=True)
        if damaged:
            (folder / name).with_suffix(".damaged").unlink(missing_ok=True)
        (folder / f".{name}.partial").unlink(missing_ok=True)
