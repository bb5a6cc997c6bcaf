"""Every recipe in conf/experiment composes and does two updates."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from artbp_exp.cli import config as conf
from artbp_exp.run_config import RunConfig
from artbp_exp.training.experiment import Experiment

RECIPES = sorted((Path(conf.directory()) / "experiment").glob("*.yaml"))


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
@pytest.mark.parametrize("method", ["artbp", "tbptt"])
def test_two_updates(
    compose: Callable[..., dict[str, Any]], corpus_settings: dict[str, Any], recipe: Path, method: str
) -> None:
    settings = compose(f"experiment={recipe.stem}", f"method={method}")
    if "corpus" in settings["task"]:
        settings["task"] |= corpus_settings
    if "hidden_size" in settings["model"]:
        settings["model"]["hidden_size"] = 8
    experiment = Experiment(RunConfig.of(settings))
    before = [p.detach().clone() for p in experiment.model.parameters()]
    progress = experiment.trainer.progress

    def changed() -> bool:
        return any(bool((p != q).any()) for p, q in zip(experiment.model.parameters(), before, strict=True))

    def enough() -> bool:  # a segment need not have a loss
        return progress.segments >= 20 or (progress.segments >= 2 and changed())

    for _ in experiment.trainer.run(pause=enough):
        if enough():
            break
    assert not progress.diverged
    assert changed()


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_opens_with_its_command_what_it_shows_and_how_long_it_takes(recipe: Path) -> None:
    lines = recipe.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "# @package _global_"
    comment = " ".join(line for line in lines[1:] if line.startswith("#"))
    assert f"# artbp-run -m experiment={recipe.stem}" in comment
    assert "Shows:" in comment
    assert "Takes" in comment


def test_there_are_recipes() -> None:
    assert RECIPES
