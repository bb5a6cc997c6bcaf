"""What a page of the documentation has: code blocks, commands, links."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import ROOT

PAGES = sorted(
    [*ROOT.glob("docs/*.md"), *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "examples/README.md"))]
)
PROGRAMS = ("artbp-", "make", "pip", "python", "python3", "source", "tensorboard", "git", "cd", "touch")
FENCE = re.compile(r"^( *)```(\w*)$")
INLINE = re.compile(r"`((?:artbp-\w+|make|python) [^`]+)`")


@dataclass(frozen=True, kw_only=True)
class Block:
    """A block of code.

    Attributes:
        page: where it stands.
        line: its first line there, from 1.
        language: of a fenced block; `sh` or empty for an indented one.
        text: without its indentation.
    """

    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command, split into words; `folder` is where it is to be typed."""

    where: str
    words: tuple[str, ...]
    folder: Path

    def __str__(self) -> str:
        return f"{self.where}: {shlex.join(self.words)}"


def blocks(page: Path) -> list[Block]:
    """All of them, in order; indented ones begin after an empty line."""
    lines, found, index = page.read_text(encoding="utf-8").splitlines(), list[Block](), 0
    while index < len(lines):
        begin, fence = index, FENCE.match(lines[index])
        if fence:
            while lines[index := index + 1].strip() != "```":
                pass
            body, language = [line.removeprefix(fence[1]) for line in lines[begin + 1 : index]], fence[2]
        elif lines[index].startswith("    ") and (index == 0 or not lines[index - 1].strip()):
            while index + 1 < len(lines) and (lines[index + 1].startswith("    ") or not lines[index + 1].strip()):
                index += 1
            body = [line[4:] for line in lines[begin : index + 1]]
            language = "sh" if body[0].startswith(PROGRAMS) else ""
        else:
            index += 1
            continue
        found.append(
            Block(page=page, line=begin + 1 + bool(fence), language=language, text="\n".join(body).strip("\n"))
        )
        index += 1
    return found


def commands(page: Path) -> Iterator[Command]:
    """Every line of its shell blocks, and every command in its text that is not abridged by `…`."""
    for block in blocks(page):
        if block.language == "sh":
            folder = ROOT
            for line in block.text.splitlines():
                for part in re.split(r" && | ; ", line):
                    words = tuple(shlex.split(part, comments=True))
                    if words[:1] == ("cd",):
                        folder = folder / words[1]
                    elif words:
                        yield Command(where=str(block), words=words, folder=folder)
    for text in INLINE.findall(page.read_text(encoding="utf-8")):
        if "…" not in text:
            yield Command(where=str(page.relative_to(ROOT)), words=tuple(shlex.split(text)), folder=ROOT)


def links(page: Path) -> list[str]:
    """What it links to and shows."""
    return re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
