"""`checkpoint.pt`: everything the rest of a run depends on, whole or refused.

The file is what `torch.save` writes, a zip archive, with the sha256 of its content in the archive's comment; any tool
that reads zip archives reads it. The previous one stays as `checkpoint.previous.pt`.
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

HOLDS = {"run": dict, "rows": list, "starts": int, "origin": dict, "settings": dict, "metrics_bytes": int}
"""Entries of a run's checkpoint and their types."""

_MARK = b"sha256:"
_COMMENT = len(_MARK) + 64


class DamagedCheckpoint(ValueError):
    """A checkpoint that must not be used; says why."""


def encode(state: dict[str, Any]) -> bytes:
    """`state` (tensors and plain values) as the bytes of a checkpoint."""
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, "state": state}, buffer)
    # an archive ends with the length of its comment, two bytes: none so far
    archive = buffer.getvalue()[:-2] + _COMMENT.to_bytes(2, "little")
    return archive + _MARK + hashlib.sha256(archive).hexdigest().encode("ascii")


def decode(data: bytes) -> dict[str, Any]:
    """Returns the state in the bytes of a checkpoint. Neither the content nor the pickle is trusted.

    Raises:
        DamagedCheckpoint: they are not whole, or hold something else than tensors and plain values.
        UserError: another version of this program wrote them.
    """
    archive, comment = data[:-_COMMENT], data[-_COMMENT:]
    if not comment.startswith(_MARK):
        raise DamagedCheckpoint("it is cut short, or not a checkpoint")
    if comment[len(_MARK) :] != hashlib.sha256(archive).hexdigest().encode("ascii"):
        raise DamagedCheckpoint("its checksum is wrong")
    try:
        content = torch.load(io.BytesIO(data), weights_only=True, map_location="cpu")
    except MemoryError:
        raise  # says nothing about the file
    except Exception as error:
        raise DamagedCheckpoint(f"it does not load as plain data: {str(error).splitlines()[0]}") from error
    if not isinstance(content, dict) or not isinstance(content.get("state"), dict):
        raise DamagedCheckpoint("it is not a checkpoint of a run")
    if content.get("format") != FORMAT:
        raise UserError(
            "another version of this program wrote the checkpoint; overwrite=true starts from the beginning"
        )
    state: dict[str, Any] = content["state"]
    return state


def check(state: dict[str, Any]) -> dict[str, Any]:
    """`state`, if it is what a run saves.

    Raises:
        DamagedCheckpoint: it is not.
    """
    for key, kind in HOLDS.items():
        if not isinstance(state.get(key), kind):
            raise DamagedCheckpoint(f"it has no {key}, or one of the wrong type")
    if state["metrics_bytes"] < 0 or not all(isinstance(row, dict) for row in state["rows"]):
        raise DamagedCheckpoint("its rows have the wrong type")
    return state


def save(folder: Path, state: dict[str, Any]) -> None:
    """Writes `checkpoint.pt`; the previous one is kept.

    Raises:
        OSError: the disk is full or gone. The earlier checkpoints are untouched.
    """
    data = encode(state)
    write_atomically(folder / NEWEST, lambda path: path.write_bytes(data), keep=folder / PREVIOUS)


def load(folder: Path) -> tuple[dict[str, Any] | None, list[str]]:
    """Returns the state of the newest intact checkpoint, None if there is none; and a line on each that was refused.

    Raises:
        UserError: one cannot be read now, needs more memory than there is, or is of another version of this program.
            That may pass, so nothing is touched.
    """
    refused: list[str] = []
    for name in (NEWEST, PREVIOUS):
        path = folder / name
        try:
            return check(decode(path.read_bytes())), refused
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
