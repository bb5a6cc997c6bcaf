"""The commands that made the committed evidence find it finished, and would run only what is missing."""

import re
from collections import Counter

import pytest

from artbp_exp.evidence.experiments import EXPERIMENTS
from artbp_exp.evidence.recipe import recipe
from tests.conftest import ROOT
from tests.forked import forked

PLAN = """
from hydra.plugins.sweeper import Sweeper
from artbp_exp.cli.sweep import dry_run
from artbp_exp.cli.run import main
dry_run.measure = lambda config: {"error": "only the states are asked for"}
Sweeper.validate_batch_is_legal = lambda self, batch: None  # it composes every job, as the launcher does again
main()
"""
COMMANDS = [
    command.removeprefix("artbp-run ")
    for experiment in EXPERIMENTS
    for name in (experiment.recipes if experiment.made_by == "make evidence" else ())
    for command in recipe(name).commands
    if (ROOT / "results" / name).is_dir()  # the report says which runs are still to come
]
PARTIAL = ("ptb_tier1", "_fair", "ptb_paper")
"""Recipes of hours a run, committed as they come in."""


@pytest.mark.parametrize("command", COMMANDS)
def test_committed_runs_are_those_of_the_command(command: str) -> None:
    done = forked(PLAN, "--dry-run", *command.split(), folder=ROOT)
    assert done.returncode == 0, done.stderr
    lines = re.findall(r"^results/\S+: (.+)$", done.stdout, re.MULTILINE)
    states = Counter(line.split()[0] for line in lines)
    assert not states["failed"], lines
    if any(name in command for name in PARTIAL):
        assert states["finished"] + states["diverged"] + states["interrupted"] > 0
    else:
        assert states["finished"] + states["diverged"] == states.total() > 0, lines


def test_there_are_commands() -> None:
    assert len(COMMANDS) >= 5
