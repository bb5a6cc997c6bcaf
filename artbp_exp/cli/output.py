"""Where a command prints: a terminal of any encoding, a file on a full disk, or nowhere."""

import codecs
import io
import os
import sys
import unicodedata
from typing import Any

PLAIN = {"…": "...", "→": "->", "≥": ">=", "≤": "<=", "−": "-", "–": "-", "·": "*", "×": "x", "÷": "/"}
"""Signs that this program prints → what a terminal shows that lacks them."""


class Device(io.FileIO):
    """The file behind a standard stream. Once it refuses a write, all that follows is dropped; `refusal` is the error.

    So a full disk that takes no more text does not end a computation whose results go elsewhere.
    """

    refusal: OSError | None = None

    def write(self, data: Any, /) -> Any:
        """Writes, or drops."""
        if self.refusal is None:
            try:
                return super().write(data)
            except OSError as error:
                self.refusal = error
        return len(data)


class Output(io.TextIOWrapper):
    """A standard stream that never raises: see `Device`; a sign that its encoding lacks becomes the nearest one.

    `stream` is the one that Python has opened; None where the command was started with it closed.
    """

    def __init__(self, stream: io.TextIOWrapper | None) -> None:
        # opened where it was closed: or a file of the run would take its number
        number = os.open(os.devnull, os.O_WRONLY) if stream is None else stream.fileno()
        self.device = Device(number, "w", closefd=False)
        super().__init__(
            io.BufferedWriter(self.device),
            encoding="utf-8" if stream is None else stream.encoding,
            errors="plain",
            line_buffering=stream is not None and (stream.line_buffering or stream.write_through),
        )


def print_anything() -> None:
    """From now on printing never raises: see `Output`. What a test or a notebook reads keeps its own stream."""
    codecs.register_error("plain", _plain)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is getattr(sys, f"__{name}__"):
            setattr(sys, name, Output(stream))
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="plain")


def exit_code_of_output() -> int:
    """0 if all that was printed has arrived; else 2, and one line on stderr says why."""
    sys.stdout.flush()
    refusal = sys.stdout.device.refusal if isinstance(sys.stdout, Output) else None
    if refusal is None:
        return 0
    print(
        f"error: cannot write to standard output: {refusal.strerror}; print elsewhere (the files that the "
        f"command writes are complete)",
        file=sys.stderr,
    )
    return 2


def _plain(error: UnicodeError) -> tuple[str, int]:
    """Error handler of a stream: writes the nearest that its encoding has, else a question mark."""
    assert isinstance(error, UnicodeEncodeError)

    def nearest_sign(sign: str) -> str:
        plain = PLAIN.get(sign, sign)
        plain = "".join(PLAIN.get(part, part) for part in unicodedata.normalize("NFKD", plain))
        name = unicodedata.name(sign, "")
        if name.startswith("GREEK SMALL LETTER "):
            plain = name.rpartition(" ")[2].lower()
        return plain.encode("ascii", "ignore").decode() or "?"

    return "".join(map(nearest_sign, error.object[error.start : error.end])), error.end
