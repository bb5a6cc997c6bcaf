"""What `make verify` puts to the test: every method that is shipped, and mutants, each ARTBP with one thing wrong.

The mutants are mistakes that are easily made, kept to prove that the certification catches them. Nothing trains with
them. All this is read without torch.
"""

import inspect
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from artbp_exp import registry
from artbp_exp.truncation import Scheme, Segment
from artbp_exp.truncation.scheme import Floats

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
    "pes": [{"particles": 1000, "update_every": 2}],
    "pes_analytic": [{"particles": 1000, "update_every": 2, "sigma": 0.3}],
    "tprop": [{"length": 3, "solver": solver, "state_steps": 2, "rounds": 2} for solver in ("penalty", "admm", "alm")],
    "adaptive": [{"length": 3}],
}
"""Settings of each method; one that is not listed is certified at its defaults, a scheme at mean length 3."""

MUTATED: dict[str, Any] = {"name": "artbp", "length": 2.5, "alpha": 4}
"""The method of which the mutants are made."""

FAR_LENGTH, FAR_MEMORY = 50, 300
"""Mean length L0 and memory, in steps, where lengths and factors are tried lag by lag."""

CAP, FAR_CAP = 3, 100
"""Steps at which a mutant silently ends a segment."""

CLIP = 20.0
"""Accumulated factor at which a mutant stops compensating."""

ENUMERATION, LAGS = "enumeration", "lags"
"""The check that refutes: all ways to cut a short sequence; lengths and factors lag by lag."""


class _ShiftedFactors(Scheme):
    def factors(self, count: int) -> Floats:
        found: Floats = 1.0 / (1.0 - self.hazard(np.arange(count, dtype=np.int64)))
        return found


class _ShiftedDraws(Scheme):
    def survival(self, count: int) -> Floats:
        return np.concatenate([[1.0], np.cumprod(1.0 - self.hazard(np.arange(count, dtype=np.int64)))])


class _HalvedDraws(Scheme):
    def survival(self, count: int) -> Floats:
        return np.concatenate([[1.0], np.cumprod(1.0 - 0.5 * self.hazard(np.arange(1, count + 1, dtype=np.int64)))])


class _Capped(Scheme):
    def draw(self, rng: np.random.Generator, limit: int) -> int:
        return min(CAP, super().draw(rng, limit))


class _FarCapped(Scheme):
    def draw(self, rng: np.random.Generator, limit: int) -> int:
        return min(FAR_CAP, super().draw(rng, limit))


class _ClippedWeight(Scheme):
    def factors(self, count: int) -> Floats:
        weight = np.minimum(CLIP, np.cumprod(super().factors(count)))
        found: Floats = weight / np.concatenate([[1.0], weight[:-1]])
        return found


class _Forgetful(Scheme):
    def segment(self, length: int) -> Segment:
        segment = super().segment(length)
        factors = segment.factors.copy()
        if self.memory is not None:
            factors[-self.memory :: -self.memory] = 1.0
        return Segment(length=length, factors=factors, memory=self.memory)


class _Wrapped:
    """A method that does one thing otherwise."""

    def __init__(self, method: Any, model: Any) -> None:
        self._method, self._model = method, model

    def __getattr__(self, name: str) -> Any:
        return getattr(self._method, name)


class _Divided(_Wrapped):
    def advance(self, carry: Any, draw: Any, inputs: Any, targets: Any, loss: Any, **rest: Any) -> Any:
        def mean(predictions: Any, targets: Any) -> Any:
            return loss(predictions, targets) / draw.length

        return self._method.advance(carry, draw, inputs, targets, mean, **rest)


class _FactoredLoss(_Wrapped):
    def advance(self, carry: Any, draw: Any, *data: Any, **rest: Any) -> Any:
        import torch  # here: the table's names are read without torch

        from artbp_exp.autograd import carry as carried

        model, decode = self._model, self._model.decode

        def behind_the_factor(outputs: Any) -> Any:
            rows = [carried(row, draw.factor(index)) for index, row in enumerate(outputs.unbind(0))]
            return decode(torch.stack(rows))

        model.decode = behind_the_factor
        try:
            return self._method.advance(carry, draw, *data, **rest)
        finally:
            del model.decode


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """ARTBP with one thing wrong.

    Attributes:
        refuted_by: the check that finds it.
        scheme: the kind of scheme; None leaves it as it is.
        wrap: the kind of method; None leaves it as it is.
    """

    refuted_by: str = ENUMERATION
    scheme: type[Scheme] | None = None
    wrap: type[_Wrapped] | None = None

    def scheme_of(self, scheme: Scheme) -> Scheme:
        """`scheme`, broken."""
        if self.scheme is None:
            return scheme
        return self.scheme(**{field.name: getattr(scheme, field.name) for field in fields(scheme) if field.init})

    def method_of(self, scheme: Scheme, model: Any) -> Any:
        """The method that a run of `scheme` takes with engine=plain, broken."""
        from artbp_exp.methods import SegmentMethod

        method = SegmentMethod(model=model, scheme=self.scheme_of(scheme), engine="plain")
        return method if self.wrap is None else self.wrap(method, model)


MUTANTS: dict[str, Mutant] = {
    "factors shifted by one step": Mutant(scheme=_ShiftedFactors),
    "draws shifted by one step": Mutant(scheme=_ShiftedDraws),
    "cuts drawn with half their probability": Mutant(scheme=_HalvedDraws),
    "division by the actual length": Mutant(wrap=_Divided),
    "length silently capped": Mutant(scheme=_Capped),
    "factor applied to the loss, too": Mutant(wrap=_FactoredLoss),
    "weight clipped": Mutant(refuted_by=LAGS, scheme=_ClippedWeight),
    "length capped beyond the enumerated lags": Mutant(refuted_by=LAGS, scheme=_FarCapped),
    "factor forgotten between two pieces": Mutant(refuted_by=LAGS, scheme=_Forgetful),
}
"""Name → mutant."""


def schemes() -> list[dict[str, Any]]:
    """Settings of every truncation scheme: those of its variants that it has the settings for."""
    found = []
    for name in registry.names("method", package=registry.SCHEMES):
        known = inspect.signature(registry.builder("method", name)).parameters
        for variant in VARIANTS.get(name, [{"length": 3} if "length" in known else {}]):
            if set(variant) <= set(known):
                found.append({"name": name, **variant})
    return found


def estimators() -> list[dict[str, Any]]:
    """Settings of every method of its own kind."""
    others = sorted(set(registry.names("method")) - set(registry.names("method", package=registry.SCHEMES)))
    return [{"name": name} | variant for name in others for variant in VARIANTS.get(name, [{}])]


def far_methods() -> list[dict[str, Any]]:
    """The settings of `schemes`, at the length of a run; their memory is `FAR_MEMORY`."""
    found: list[dict[str, Any]] = []
    for settings in schemes():
        longer = {key: value for key, value in settings.items() if key != "memory"}
        if "length" in longer:
            longer["length"] = FAR_LENGTH
        if longer not in found:
            found.append(longer)
    return found


def label(settings: dict[str, Any]) -> str:
    """A method with its settings, as the tables have it."""
    return " ".join(str(value) if key == "name" else f"{key}={value}" for key, value in settings.items())


def mutants(check: str) -> dict[str, Mutant]:
    """The mutants that a check must refute."""
    return {name: mutant for name, mutant in MUTANTS.items() if mutant.refuted_by == check}


def lags_beside(path: Path) -> Path:
    """Where the table of the lags goes: `everything_lags.csv` beside `everything.csv`."""
    return path.with_stem(f"{path.stem}_lags")
