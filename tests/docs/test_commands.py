"""Every command of the documentation is one that its program takes; a few are run, at a shrunken size."""

import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import hydra
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from artbp_exp.cli import bench, collect, figures, report
from artbp_exp.cli import config as conf
from artbp_exp.cli.config import split
from artbp_exp.cli.errors import options_explained
from tests.conftest import ROOT
from tests.docs.pages import PAGES, Command, commands
from tests.forked import artbp

OTHERS = {
    "source": "activates a virtual environment",
    "tensorboard": "another program, which an extra brings",
    "git": "another program",
    "touch": "another program",
    "python3 -m venv": "makes a virtual environment",
    "pip install hydra-optuna-sweeper": "another package",
    "pip install git+URL": "the address is the reader's",
    "python -m pytest": "the tests",
}
"""How a command that is not looked at begins → why."""

SHRUNK = {
    "artbp-run task=synthetic method=artbp": "task.steps=2000",
    "artbp-verify task=synthetic method=artbp verify.draws=0": "verify.steps=5",
}
"""Command that is run → what makes it small."""

NAMES = {"artbp-run": conf.NAME, "artbp-verify": "verify", "artbp-diagnose": "diagnose"}
OPTIONS = {"-m", "--multirun", "--help", "--dry-run", "--cfg", "job", "--resolve"}
FOUND = [command for page in PAGES for command in commands(page)]


def skipped(command: Command) -> str | None:
    line = " ".join(command.words)
    return next((start for start in OTHERS if line.startswith(start)), None)


EXTENDING = ROOT / "docs" / "extending.md"
"""Its commands are run by test_extending.py, after the files that they need are written."""


@pytest.mark.parametrize("page", [page for page in PAGES if page != EXTENDING], ids=lambda page: page.name)
def test_every_command_is_one_that_its_program_takes(page: Path, hydra_ready: None) -> None:
    for command in commands(page):
        if skipped(command) is None:
            check(command)


def test_what_is_skipped_is_there_and_most_is_not() -> None:
    assert {start for command in FOUND if (start := skipped(command))} <= set(OTHERS)
    assert sum(skipped(command) is None for command in FOUND) > 0.8 * len(FOUND)


@pytest.mark.parametrize(
    "wrong",
    [
        "artbp-run task=ptb method=artpb",
        "artbp-run task=ptb method.lenght=3",
        "artbp-run -m method=artbp,tpbtt",
        "artbp-verify verify.drwas=3",
        "artbp-figures curvs",
        "artbp-collect --ot x",
        "make demoo",
        "pip install '.[fats]'",
        "python scripts/none.py",
        "frobnicate",
    ],
)
def test_a_wrong_command_is_found(wrong: str, hydra_ready: None) -> None:
    import shlex

    with pytest.raises((Exception, SystemExit)):
        check(Command(where="here", words=tuple(shlex.split(wrong)), folder=ROOT))


def check(command: Command) -> None:
    """Raises what its program would, or an assertion, where it does not take the command."""
    program, arguments = command.words[0], list(command.words[1:])
    if program in NAMES:
        composes(NAMES[program], arguments)
    elif program in PARSED:
        with options_explained(()):
            PARSED[program](arguments)
    elif program == "make":
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert {word for word in arguments if "=" not in word} <= set(targets), command
    elif program == "pip":
        extras = {name for word in arguments for name in re.findall(r"\[(.*)\]", word)}
        assert extras <= set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"])
    elif program == "python":
        assert (command.folder / arguments[0]).is_file(), command
    else:
        raise AssertionError(f"{command}: add the program to OTHERS, or a way to check it")


def composes(name: str, arguments: list[str]) -> None:
    """Each value of a sweep, with the first of the others, makes a run's configuration."""
    overrides = [word for word in arguments if word not in OPTIONS and not word.startswith(("hydra/", "hydra."))]
    overrides = [word for word in overrides if not word.endswith("=NAME")]  # the reader's choice
    assert all("=" in word for word in overrides), overrides
    parsed = OverridesParser.create().parse_overrides(overrides)
    values = [
        [f"{each.get_key_element()}={value}" for value in each.sweep_string_iterator()]
        if each.is_sweep_override()
        else [each.input_line]
        for each in parsed
    ]
    for place, choices in enumerate(values):
        for choice in choices:
            jobs = tuple(choice if k == place else str(others[0]) for k, others in enumerate(values))
            composed(name, jobs)
    composed(name, tuple(str(each[0]) for each in values))


@cache
def composed(name: str, overrides: tuple[str, ...]) -> None:
    config = hydra.compose(name, overrides=list(overrides))
    if name == conf.NAME:
        conf.run_config(config)
    else:
        split(config, name)


PARSED: dict[str, Callable[[list[str]], object]] = {
    "artbp-figures": lambda words: figures.sorted_out(figures.parser().parse_args(words).words),
    "artbp-collect": lambda words: collect.parser().parse_args(words),
    "artbp-report": lambda words: report.parser().parse_args(words),
    "artbp-bench": lambda words: bench.parser().parse_args(words),
}


def typed(line: str) -> Iterator[Command]:
    return (command for command in FOUND if " ".join(command.words) == line)


def test_a_few_are_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for line, small in SHRUNK.items():
        assert any(typed(line)), f"no page has {line} any more"
        program, *arguments = line.split()
        done = artbp(program.removeprefix("artbp-"), *arguments, small, folder=tmp_path)
        assert done.returncode == 0, done.stderr
    monkeypatch.chdir(tmp_path)
    for program, main in {"artbp-collect": collect.main, "artbp-figures curves": figures.main}.items():
        assert any(typed(program))
        monkeypatch.setattr(sys, "argv", program.split())
        main()
    said = capsys.readouterr().out
    assert "1 runs (1 finished) → results/runs/collected.csv" in said
    assert "curves: 1 runs → results/runs/figures/curves.png" in said
