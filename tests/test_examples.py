"""Every example runs from its own folder, prints what it says it prints, and is certified."""

import re
import runpy
from pathlib import Path

import pytest
import torch

FOLDER = Path(__file__).resolve().parent.parent / "examples"
FILES = sorted(FOLDER.glob("*.py"))
NUMBER = re.compile(r"-?\d+\.\d+")


def expected(text: str) -> list[str]:
    """The indented lines below 'Expected output' at the top of an example."""
    (block,) = re.findall(r"Expected output.*?:\n\n((?:    .*\n)+)", text)
    return [line.strip() for line in block.splitlines()]


@pytest.mark.filterwarnings("ignore::Warning:lightning")  # its own: few workers, a Slurm that is installed
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_example_prints_what_it_says_and_is_certified(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(FOLDER)
    torch.set_num_threads(1)
    with torch.random.fork_rng():
        runpy.run_path(path.name, run_name="__main__")
    printed, wanted = capsys.readouterr().out.splitlines(), expected(path.read_text(encoding="utf-8"))
    assert [NUMBER.sub("#", line) for line in printed] == [NUMBER.sub("#", line) for line in wanted]
    for line, other in zip(printed, wanted, strict=True):
        # rounding differs between processors, and training amplifies it
        assert [float(n) for n in NUMBER.findall(line)] == pytest.approx(
            [float(n) for n in NUMBER.findall(other)], rel=0.3, abs=0.02
        )
    assert printed[-1].endswith("certified: True")


def test_examples_are_short_and_the_table_has_them_all() -> None:
    assert all(len(path.read_text(encoding="utf-8").splitlines()) < 80 for path in FILES)
    table = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^\| \[(\w+\.py)\]", table, re.MULTILINE)) == [path.name for path in FILES]
