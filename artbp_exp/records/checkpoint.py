"""`checkpoint.pt`: everything the rest of a run depends on, whole or refused.

The file is what `torch.save` writes, a zip archive, with the sha256 of all before it in the archive's comment: any
tool that reads the one reads the other. The one before stays as `checkpoint.previous.pt`.
"""

import hashlib
import io
from pathlib import Path
from typing import Any

import torch

from artbp_exp.records.files import write_atomically

NEWEST, PREVIOUS = "checkpoint.pt", "checkpoint.previous.pt"
FORMAT = 1
"""Raised whenever what a checkpoint holds changes its meaning."""

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
    """The state in the bytes of a checkpoint. Nothing in them is trusted: neither the content nor the pickle.

    Raises:
        DamagedCheckpoint: they are not whole, hold something else than tensors and plain values, or are of
            another version of this program.
    """
    archive, comment = data[:-_COMMENT], data[-_COMMENT:]
    if not comment.startswith(_MARK):
        raise DamagedCheckpoint("it is cut short, or no checkpoint")
    if comment[len(_MARK) :] != hashlib.sha256(archive).hexdigest().encode("ascii"):
        raise DamagedCheckpoint("its checksum is wrong")
    try:
        content = torch.load(io.BytesIO(data), weights_only=True, map_location="cpu")
    except Exception as error:
        raise DamagedCheckpoint(f"it does not load as plain data: {str(error).splitlines()[0]}") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT or not isinstance(content.get("state"), dict):
        raise DamagedCheckpoint("another version of this program wrote it")
    state: dict[str, Any] = content["state"]
    return state


def save(folder: Path, state: dict[str, Any]) -> None:
    """Writes `checkpoint.pt`; the one before is kept until the new one is whole, and beyond.

    Raises:
        OSError: the disk is full, or was taken away. The checkpoints there before are untouched.
    """
    data = encode(state)
    write_atomically(folder / NEWEST, lambda path: path.write_bytes(data), keep=folder / PREVIOUS)


def load(folder: Path) -> tuple[dict[str, Any] | None, list[str]]:
    """The newest whole checkpoint's state, None where there is none; and a line on each that was refused."""
    refused: list[str] = []
    for name in (NEWEST, PREVIOUS):
        path = folder / name
        try:
            return decode(path.read_bytes()), refused
        except FileNotFoundError:
            continue
        except (DamagedCheckpoint, OSError) as error:
            # out of the way, or the next save would push the good one out by it
            path.replace(path.with_suffix(".damaged"))
            instead = "the one before it is used" if name == NEWEST and (folder / PREVIOUS).exists() else None
            refused.append(f"{path} is refused: {error}; {instead or 'the run starts from the beginning'}")
    return None, refused


def remove(folder: Path) -> None:
    """Removes what a finished run does not need."""
    for name in (NEWEST, PREVIOUS):
        (folder / name).unlink(missing_ok=True)
        (folder / name).with_suffix(".damaged").unlink(missing_ok=True)
        (folder / f".{name}.partial").unlink(missing_ok=True)
