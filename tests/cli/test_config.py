"""Every yaml composes; yaml and code agree; every recipe makes two updates; folders are told apart."""

import inspect
from pathlib import Path

import hydra
import pytest
import torch
import yaml

from artbp_exp import registry
from artbp_exp.cli import config as conf
from artbp_exp.errors import UserError
from artbp_exp.experiment import Experiment

CONF = Path(conf.directory())
RECIPES = sorted(path.stem for path in (CONF / "experiment").glob("*.yaml"))


@pytest.fixture(autouse=True)
def composing():
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        yield


def compose(*overrides):
    return conf.plain(hydra.compose(conf.NAME, overrides=list(overrides)))


@pytest.mark.parametrize("group", registry.PACKAGES)
def test_one_file_and_one_yaml(group):
    yamls = {path.stem: yaml.safe_load(path.read_text()) for path in (CONF / group).glob("*.yaml")}
    assert set(yamls) == set(registry.names(group))
    for name, content in yamls.items():
        settings = content[group] if group == "task" else content
        assert settings["name"] == name
        keys = set(settings) - {"name", "suggest", "defaults"}
        taken = inspect.signature(registry.builder(group, name)).parameters
        handed_in = {"generator", "vocabulary", "size", "positive", "parameters"} if group != "task" else set()
        assert keys == set(taken) - handed_in


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_composes_and_makes_two_updates(recipe, ptb_settings):
    for method in ("artbp", "tbptt"):
        settings = compose(f"experiment={recipe}", f"method={method}")
        assert settings["results_dir"].startswith("results/")
        if settings["task"]["name"] == "ptb":
            settings["task"] |= {key: ptb_settings[key] for key in ("corpus", "data_dir")}
            settings["model"]["hidden_size"] = 8
        experiment = Experiment({**settings, "device": "cpu", "threads": 1})
        before = [p.detach().clone() for p in experiment.model.parameters()]
        experiment.task.begin_pass(None)
        experiment.learner.begin_pass()
        until = 0
        while experiment.learner.tally.segments < 2:
            until += 1
            experiment.learner.advance(until, lambda steps: None)
        assert any(not torch.equal(a, b) for a, b in zip(before, experiment.model.parameters(), strict=True))


def test_recipes_open_with_their_command():
    for recipe in RECIPES:
        head = (CONF / "experiment" / f"{recipe}.yaml").read_text().splitlines()[:3]
        assert f"artbp-run -m experiment={recipe}" in head[1]


def test_task_picks_its_own_defaults():
    assert compose()["model"]["name"] == "linear"
    assert compose()["method"] | {"length": 16, "alpha": 6} == compose()["method"]
    ptb = compose("task=ptb")
    assert (ptb["model"]["name"], ptb["optimizer"]["name"], ptb["optimizer"]["lr"]) == ("lstm", "adam", 1e-4)
    assert (ptb["method"]["length"], ptb["method"]["alpha"], ptb["model"]["hidden_size"]) == (50, 4, 1000)
    assert compose("task=ptb", "method=tbptt")["method"]["length"] == 50
    assert compose("method=tbptt")["method"]["length"] == 100
    assert compose("task=ptb", "model=gru")["model"]["name"] == "gru"


def test_folders_tell_configurations_apart():
    variants = [
        [],
        ["method.length=10"],
        ["method=tbptt"],
        ["method=tbptt", "method.length=10"],
        ["method=bptt"],
        ["method.alpha=4"],
        ["method.schedule=constant"],
        ["method.reweight=false"],
        ["optimizer.lr=1e-3"],
        ["optimizer=adam"],
        ["optimizer.clip=1"],
        ["engine=plain"],
        ["task.size=22"],
        ["task=ptb"],
        ["task=ptb", "model=gru"],
        ["task=ptb", "task.data_dir=/a/b"],
        ["task=ptb", "task.data_dir=/a_b"],
        ["task=ptb", "task.data_dir=/" + "x" * 300],
        ["task=ptb", "task.data_dir=/" + "x" * 301],
    ]
    folders = [conf.run_folder(compose(*overrides)) for overrides in variants]
    assert len(set(folders)) == len(variants)
    assert all(len(folder.parent.name) < 255 for folder in folders)
    assert folders[0] == Path("results/runs/synthetic/artbp-length=16/seed0")
    assert conf.run_folder(compose("seed=3", "device=cpu", "threads=1")) == folders[0].with_name("seed3")
    assert conf.run_folder(compose("run_dir=here")) == Path("here")


def test_keys_that_no_setting_has():
    with pytest.raises(UserError, match="sed is not a setting; did you mean seed"):
        compose("+sed=3")
    with pytest.raises(UserError, match="seed must be a whole number"):
        compose("seed=-1")
    with pytest.raises(UserError, match=r"method.lenght is not a setting of method=artbp; did you mean length"):
        registry.build("method", compose("+method.lenght=3")["method"])
