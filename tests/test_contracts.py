"""Every yaml has a module and every module a yaml, and they say the same."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from artbp_exp import registry
from artbp_exp.cli import config as conf
from artbp_exp.errors import UserError
from artbp_exp.run_config import RunConfig
from artbp_exp.training.experiment import Experiment
from artbp_exp.truncation import Scheme
from tests.cells import CARRIED

Compose = Callable[..., dict[str, Any]]
CONF = Path(conf.directory())
MEMBERS = [(group, name) for group in registry.PACKAGES for name in registry.names(group)]
# what the program hands in, not the user
HANDED = {
    "model": {"generator", "vocabulary", "outputs", "size", "positive"},
    "optimizer": {"parameters", "mean_length", "total_steps"},
    "logger": {"folder"},
    "boundary": {"model", "task", "generator"},
    "auxiliary": {"model", "generator", "rng", "task"},
    "method": {"model", "task", "engine", "autocast", "boundary", "auxiliary"},
}

every_member = pytest.mark.parametrize(("group", "name"), MEMBERS)


def parameters(group: str, name: str) -> dict[str, inspect.Parameter]:
    return dict(inspect.signature(registry.builder(group, name)).parameters)


def yaml_settings(group: str, name: str) -> dict[str, Any]:
    content = yaml.safe_load((CONF / group / f"{name}.yaml").read_text(encoding="utf-8"))
    return content.get(group, content)


def task_for(model: str) -> str:
    return "ptb" if "vocabulary" in parameters("model", model) else "synthetic"


@pytest.mark.parametrize("group", sorted(registry.PACKAGES))
def test_modules_and_yaml_files_are_the_same_names(group: str) -> None:
    assert sorted(registry.names(group)) == sorted(path.stem for path in (CONF / group).glob("*.yaml"))
    assert registry.names(group)


@every_member
def test_the_yaml_lists_exactly_what_build_takes(group: str, name: str) -> None:
    settings = yaml_settings(group, name)
    assert settings["name"] == name
    context = HANDED.get(group, set())
    assert set(settings) - {"name", "suggest"} == set(parameters(group, name)) - context


@every_member
def test_build_takes_keywords_only_and_says_what_it_does(group: str, name: str) -> None:
    kinds = {p.kind for p in parameters(group, name).values()}
    assert kinds <= {inspect.Parameter.KEYWORD_ONLY}
    assert registry.builder(group, name).__doc__


@every_member
def test_defaults_of_build_are_those_of_the_yaml(group: str, name: str) -> None:
    settings = yaml_settings(group, name)
    for key, parameter in parameters(group, name).items():
        if key in settings and parameter.default not in (parameter.empty, None):
            assert parameter.default == settings[key], key


@pytest.mark.parametrize("task", registry.names("task"))
@pytest.mark.parametrize("method", registry.names("method"))
def test_every_method_composes_with_every_task(compose: Compose, task: str, method: str) -> None:
    settings = compose(f"task={task}", f"method={method}")["method"]
    if method in registry.names("method", package=registry.SCHEMES):
        assert isinstance(registry.build("method", settings), Scheme)
    else:
        assert set(settings) - {"name"} <= set(parameters("method", method))


@pytest.mark.parametrize("optimizer", registry.names("optimizer"))
@pytest.mark.parametrize("model", CARRIED)
def test_every_model_and_optimizer_trains(compose: Compose, own_corpus: Path, model: str, optimizer: str) -> None:
    task = task_for(model)
    overrides = [f"task={task}", f"model={model}", f"optimizer={optimizer}", "method.length=5", "engine=plain"]
    settings = compose(*overrides)
    if "hidden_size" in settings["model"]:
        settings["model"]["hidden_size"] = 4
        settings["task"] |= {"corpus": "own", "data_dir": str(own_corpus)}
    experiment = Experiment(RunConfig.of(settings))
    before = [p.detach().clone() for p in experiment.model.parameters()]
    next(experiment.trainer.run(pause=lambda: True), None)
    assert all((p != q).any() for p, q in zip(experiment.model.parameters(), before, strict=True))


@pytest.mark.parametrize("optimizer", registry.names("optimizer"))
@pytest.mark.parametrize("wrong", [{"lr": 0}, {"lr": "fast"}, {"lr": 1, "clip": 0}])
def test_optimizers_refuse_bad_numbers(optimizer: str, wrong: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"optimizer\.(lr|clip) must be a number > 0"):
        registry.build("optimizer", {"name": optimizer, **wrong}, parameters=[torch.nn.Parameter(torch.ones(1))])


def test_a_model_that_does_not_fit_the_task_is_refused(compose: Compose) -> None:
    with pytest.raises(
        UserError,
        match=r"model=lstm needs vocabulary, which neither .* nor the task give; take model=linear, or another",
    ):
        Experiment(RunConfig.of(compose("task=synthetic", "model=lstm")))


def test_unknown_names_and_keys_are_refused_with_the_nearest() -> None:
    with pytest.raises(UserError, match="did you mean tbptt"):
        registry.build("method", {"name": "tbpt", "length": 3})
    with pytest.raises(UserError, match=r"method\.lenght is not a setting of method=tbptt; did you mean length"):
        registry.build("method", {"name": "tbptt", "lenght": 3})
    with pytest.raises(UserError, match=r"method=tbptt needs method\.length; give it a value"):
        registry.build("method", {"name": "tbptt"})


def test_a_name_cannot_reach_a_module_outside() -> None:
    for name in ("character", "base", "os", "..registry", ""):
        with pytest.raises(UserError, match="is not known"):
            registry.builder("model", name)


@pytest.mark.parametrize("task", registry.names("task"))
def test_a_task_sets_nothing_that_another_model_lacks(task: str, compose: Compose) -> None:
    """Of the models that read symbols or vectors, that is: the linear system is made for its own task."""
    for model in registry.names("model"):
        known = parameters("model", model)
        if "vocabulary" in known:
            assert compose(f"task={task}", f"model={model}")["model"].keys() - {"name"} <= known.keys()
