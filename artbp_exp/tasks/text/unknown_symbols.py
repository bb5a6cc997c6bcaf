"""Says where a held-out text has symbols that the training text lacks, and what usually puts them there."""

from artbp_exp.errors import UserError

SHOWN = 5
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def refuse(part: str, path: str, content: bytes, unknown: list[int], train: bytes) -> UserError:
    """The error for a `part` (`valid`, `test`) whose file holds symbols that train never has.

    `unknown` are their codes, ascending: bytes, or code points of a text of separated symbols.
    """
    seen = [_where(content, code) for code in unknown[:SHOWN]]
    more = f" and {len(unknown) - SHOWN} more" if len(unknown) > SHOWN else ""
    return UserError(
        f"the {part} part, {path}, has {len(unknown)} symbols that train never has: {', '.join(seen)}{more}; "
        f"no model can predict them: {_hint(part, content, unknown, train)}"
    )


def _where(content: bytes, code: int) -> str:
    """`'!' at byte 17 (line 2)`; a byte of a longer UTF-8 character is shown with that character."""
    encoded = bytes([code]) if code < 256 and bytes([code]) in content else chr(code).encode()
    place = content.find(encoded)
    symbol = repr(chr(code)) if code < 128 else f"byte 0x{code:02X}" if len(encoded) == 1 else repr(chr(code))
    character = _character(content, place) if code >= 128 and len(encoded) == 1 else None
    of = f" of {character!r}" if character else ""
    return f"{symbol}{of} at byte {place} (line {content.count(10, 0, place) + 1})"


def _character(content: bytes, place: int) -> str | None:
    """The UTF-8 character that the byte at `place` belongs to, None if it belongs to none."""
    for start in range(place, max(-1, place - 4), -1):
        for stop in range(place + 1, start + 5):
            try:
                found = content[start:stop].decode("utf-8")
            except UnicodeDecodeError:
                continue
            if len(found) == 1:
                return found
    return None


def _hint(part: str, content: bytes, unknown: list[int], train: bytes) -> str:
    if content.startswith(BYTE_ORDER_MARK) and not train.startswith(BYTE_ORDER_MARK):
        return f"the {part} file starts with a byte-order mark (EF BB BF), train does not; save it without"
    if 13 in unknown:
        return f"the {part} file ends its lines with CRLF, train with LF; convert it (dos2unix)"
    if any(code >= 128 for code in unknown) and _is_utf8(content) != _is_utf8(train):
        encoded, other = ("UTF-8", "not") if _is_utf8(content) else ("not UTF-8", "is")
        return f"the {part} file is {encoded} and train {other}; save both in the same encoding"
    return f"replace them in {part} or add them to train"


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
