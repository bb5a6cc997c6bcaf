"""Every method × model × engine that the project ships, and the broken learners: what `make verify` runs.

By enumeration on a short sequence, each; and lag by lag at the lengths of a real run, which knows no model.
"""

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from artbp_exp import registry
from artbp_exp.autograd.engines import ENGINES
from artbp_exp.errors import UserError
from artbp_exp.methods import segment_method
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.tasks import ptb, synthetic
from artbp_exp.tasks.base import Task
from artbp_exp.theory.unbiased import is_unbiased
from artbp_exp.verification.broken import BROKEN, BROKEN_FAR
from artbp_exp.verification.exact import Exact, certify
from artbp_exp.verification.lags import Lags, lag_by_lag
from artbp_exp.verification.probe import Make, Probe
from artbp_exp.verification.stretch import stretch

VOCABULARY, STREAMS, HIDDEN = 4, 2, 3
BREAKABLE: dict[str, Any] = {"name": "artbp", "length": 2.5, "alpha": 4}
"""The method that the broken learners break."""

FAR_LENGTH, FAR_LIMIT, MEMORY = 50, 10_000, 300
"""Mean length L0, length T of the data and `method.memory`, in steps, of what is tried lag by lag."""
FAR_BREAKABLE = BREAKABLE | {"length": FAR_LENGTH}

# kinds of each method; one that is not listed is certified at its defaults, at mean length 3
VARIANTS: dict[str, list[dict[str, Any]]] = {
    "artbp": [
        {"length": 2.5, "alpha": 4},
        {"length": 3, "alpha": 6},
        {"length": 2.5, "schedule": "constant"},
        {"length": 2.5, "alpha": 4, "memory": 3},
        {"length": 4, "alpha": 4, "every": 2},
        {"length": 4, "schedule": "constant", "every": 2},
        {"length": 2.5, "alpha": 4, "reweight": False},
    ],
    "tbptt": [{"length": 99}, {"length": 3}, {"length": 3, "memory": 2}],
    "bptt": [{}, {"memory": 3}],
}


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """One line of the sweep.

    Attributes:
        method: with its settings.
        model: name.
        engine: name; for a broken learner, what is wrong with it.
        expected: whether it is to be certified.
        exact: what enumeration found.
    """

    method: str
    model: str
    engine: str
    expected: bool
    exact: Exact

    @property
    def holds(self) -> bool:
        """Whether the verdict is the expected one."""
        return self.exact.certified == self.expected


@dataclass(frozen=True, kw_only=True)
class FarVerdict:
    """One line of what is tried lag by lag.

    Attributes:
        method: with its settings.
        broken: what is wrong with it; empty if nothing is.
        lags: what was found.
    """

    method: str
    broken: str
    lags: Lags

    @property
    def holds(self) -> bool:
        """Whether the verdict is the expected one."""
        return (self.lags.reason is None) == (not self.broken)


def everything(steps: int) -> Iterator[Verdict]:
    """Certifies all that is shipped on sequences of `steps` steps; expects the biased and the broken to be refuted."""
    for model in registry.names("model"):
        for settings in methods():
            for engine in ENGINES:
                verdict = _verdict(settings, model, engine, steps)
                if verdict is not None:
                    yield verdict
    for name, make in BROKEN.items():
        for model in registry.names("model"):
            exact = certify(_probe(BREAKABLE, model, "plain", steps, make))
            yield Verdict(method=_label(BREAKABLE), model=model, engine=f"broken: {name}", expected=False, exact=exact)


def far() -> Iterator[FarVerdict]:
    """Tries every method lag by lag at L0 = `FAR_LENGTH`; expects what is broken at long lags to be refuted."""
    for settings in far_methods():
        yield _far(settings, "", segment_method)
    for name, make in BROKEN_FAR.items():
        yield _far(FAR_BREAKABLE, name, make)


def far_methods() -> list[dict[str, Any]]:
    """The settings of `methods`, at a length and a memory as runs have them."""
    found: list[dict[str, Any]] = []
    for settings in methods():
        longer = {key: value for key, value in settings.items() if key != "memory"}
        if "length" in longer:
            longer["length"] = FAR_LENGTH
        if longer not in found:
            found.append(longer)
    return found


def far_wanted() -> set[tuple[str, ...]]:
    """(method, what is broken) of the lines that `far` makes."""
    sound: set[tuple[str, ...]] = {(_label(settings), "") for settings in far_methods()}
    return sound | {(_label(FAR_BREAKABLE), name) for name in BROKEN_FAR}


def wanted() -> set[tuple[str, ...]]:
    """(method, model, engine) of the lines that every machine makes: all but engines that do not fit everywhere."""
    models, engines = registry.names("model"), ("auto", "plain")
    shipped: set[tuple[str, ...]] = {
        (_label(settings), model, engine) for settings in methods() for model in models for engine in engines
    }
    return shipped | {(_label(BREAKABLE), model, f"broken: {name}") for name in BROKEN for model in models}


def methods() -> list[dict[str, Any]]:
    """Settings of every method, those of its variants that it has the settings for."""
    found = []
    for name in registry.names("method"):
        known = inspect.signature(registry.builder("method", name)).parameters
        for variant in VARIANTS.get(name, [{"length": 3} if "length" in known else {}]):
            if set(variant) <= set(known):
                found.append({"name": name, **variant})
    return found


def _verdict(settings: dict[str, Any], model: str, engine: str, steps: int) -> Verdict | None:
    try:
        probe = _probe(settings, model, engine, steps, segment_method)
    except UserError:
        if engine in ("auto", "plain"):  # these two are for every model
            raise
        return None
    expected = is_unbiased(probe.scheme, steps)
    return Verdict(method=_label(settings), model=model, engine=engine, expected=expected, exact=certify(probe))


def _far(settings: dict[str, Any], broken: str, make: Make) -> FarVerdict:
    lags = lag_by_lag(registry.build("method", {"memory": MEMORY} | settings), limit=FAR_LIMIT, make=make)
    return FarVerdict(method=_label(settings), broken=broken, lags=lags)


def _probe(settings: dict[str, Any], model: str, engine: str, steps: int, make: Make) -> Probe:
    built, task = small(model, steps)
    return Probe(engine=engine, model=built, task=task, scheme=registry.build("method", settings), make=make)


def small(name: str, steps: int) -> tuple[RecurrentModel, Task]:
    """A model at a tiny size in float64, and a task for it: influence balancing, or random symbols."""
    generator = torch.Generator().manual_seed(1)
    if "vocabulary" not in inspect.signature(registry.builder("model", name)).parameters:
        task: Any = synthetic.build(size=5, positive=2, steps=steps)
        settings: dict[str, Any] = {"name": name}
    else:
        symbols = np.random.default_rng(1).integers(VOCABULARY, size=STREAMS * (steps + 1))
        task = ptb.PennTreebank(
            parts={"train": symbols, "valid": symbols, "test": symbols},
            vocabulary=VOCABULARY,
            batch_size=STREAMS,
            epochs=1,
            carry_state=True,
            divergence=100.0,
            rows_per_epoch=1,
        )
        settings = {"name": name, "hidden_size": HIDDEN}
    model: RecurrentModel = registry.build("model", settings, generator=generator, **task.shapes)
    return model.to(torch.float64), stretch(task, steps=steps)


def _label(settings: dict[str, Any]) -> str:
    return " ".join(str(value) if key == "name" else f"{key}={value}" for key, value in settings.items())
