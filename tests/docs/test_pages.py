"""The documentation: its Python runs, its links lead somewhere, the README is short and in step with the gate."""

import re
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
import torch

from artbp_exp.cli.figures import EVIDENCE
from artbp_exp.evidence.report.render import slug
from tests.conftest import ROOT
from tests.docs.pages import PAGES, blocks, links

README = ROOT / "README.md"
LANGUAGES = {"python", "sh", "yaml", "text", ""}
ELSEWHERE = {
    "docs/extending.md": "test_extending.py, which puts its files where they say they belong",
}
"""Page whose Python is not run here → where it is."""

FRAGMENTS = {"docs/method.md": "lines that go on from the README's example"}
"""Page whose Python is not run at all → why."""

PYTHON = re.compile(r"^(import|from \w+ import|def|for .*:$|print\(|artbp\.)", re.MULTILINE)
TO_COME = {ROOT / "results" / f"{picture.file}.png" for picture, _ in EVIDENCE.values()}
"""Figures that the command makes, though the runs of some are still to come."""

WITH_PYTHON = [page for page in PAGES if any(block.language == "python" for block in blocks(page))]


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", [page for page in WITH_PYTHON if name(page) not in ELSEWHERE], ids=name)
def test_its_python_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All blocks of a page in order, as one program, in an empty folder."""
    mpl.use("agg")
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    scope: dict[str, Any] = {"__name__": "__main__", "seen": []}
    for block in blocks(page):
        if block.language == "python":
            text = "\n" * (block.line - 1) + block.text  # so that an error names the line of the page
            if page == README:
                text = text.replace(
                    "loss.backward()\n", "loss.backward(); seen.append((loss.item(), segment.length))\n"
                )
            exec(compile(text, name(page), "exec"), scope)
    if page == README:
        learns(scope["seen"])


def learns(seen: list[tuple[float, int]]) -> None:
    losses, lengths = np.array(seen).T
    assert lengths.sum() == 2000
    quarter = len(lengths) // 4
    first, last = (losses[part].sum() / lengths[part].sum() for part in (slice(quarter), slice(-quarter, None)))
    assert last < 0.5 * first


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_its_blocks_say_what_they_are(page: Path) -> None:
    """Python and shell that were not recognised would not be tested."""
    for block in blocks(page):
        assert block.language in LANGUAGES, block
        if block.language in ("", "text"):
            assert not PYTHON.search(block.text) or name(page) in FRAGMENTS, block


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_its_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists() or target in TO_COME, f"{name(page)}: {link}"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in map(slug, headings), f"{name(page)}: {link}"


def test_every_page_can_be_reached_from_the_readme() -> None:
    linked = {(README.parent / link.partition("#")[0]).resolve() for link in links(README)}
    assert {page for page in PAGES if page != README} <= linked


def test_the_readme_is_short_and_says_what_it_is_first() -> None:
    lines = README.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 150
    assert "does not help" in "\n".join(lines[:8])
    assert any("make demo" in line for line in lines[:25])


def test_the_gate_runs_the_readmes_test_command() -> None:
    lines = README.read_text(encoding="utf-8").splitlines()
    (command,) = {line.split("#")[0].strip() for line in lines if line.startswith("make test")}
    assert command in (ROOT / ".ci" / "run").read_text().splitlines()
