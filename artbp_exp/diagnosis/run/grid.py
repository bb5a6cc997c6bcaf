"""Which methods are measured: over lengths, and over exponents at equal mean length and at equal memory."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from artbp_exp import checks, registry
from artbp_exp.errors import UserError
from artbp_exp.theory.stored_steps import length_for_stored_steps
from artbp_exp.truncation import Scheme

Settings = dict[str, Any]
Grid = list[tuple[str, Settings]]

COMPARED = ("bptt", "tbptt", "artbp")
"""Methods with a place of their own in the grid: full BPTT is the truth, the others are compared in detail."""


def methods(own: Mapping[str, Any], *, kept: int | None, run: Mapping[str, Any]) -> tuple[Grid, list[str]]:
    """Which settings are compared, and a line for each that cannot be, which says why.

    Truncated BPTT and ARTBP are measured over lengths and exponents, then the run's own method and truncated BPTT of
    its length, then every other registered scheme over lengths; each once within a comparison, all with `kept` as their
    `method.memory`.
    """
    alpha = checks.number("diagnose.alpha", own["alpha"], above=2)
    length = checks.number("diagnose.length", own["length"], at_least=1)
    memory = checks.number("diagnose.memory", own["memory"], above=0)
    truncated = [checks.whole("diagnose.truncated_lengths", v, at_least=1) for v in _list(own, "truncated_lengths")]
    lengths = [checks.number("diagnose.lengths", value, at_least=1) for value in _list(own, "lengths")]
    alphas = [checks.number("diagnose.alphas", value, above=2) for value in _list(own, "alphas")]
    run = normal(run)
    found: Grid = [("length", _truncated(value)) for value in truncated]
    for value in lengths:
        found.append(("length", _artbp(value, alpha)))
        found.append(("length", {**_artbp(value, alpha), "reweight": False}))
        found.append(("length", _artbp(value, None)))
    left_out: list[str] = []
    if alphas:
        if run.get("schedule") == "paper" and run["alpha"] not in alphas:
            alphas.append(float(run["alpha"]))
        schedules = [_artbp(length, value) for value in [*alphas, None]]
        found += [("equal length", method) for method in schedules]
        equal, left_out = _equal_memory([*schedules, _truncated(1)], memory)
        found += [("equal memory", method) for method in equal]
    found += [("length", method) for method in [*_of_run(run), *(_others(lengths) if lengths else ())]]
    if not found:
        raise UserError("nothing is left to measure; give diagnose.lengths, truncated_lengths or alphas an entry")
    distinct: Grid = []
    for one in found:
        if one not in distinct:
            distinct.append(one)
    return [(comparison, _with_memory(method, kept)) for comparison, method in distinct], left_out


def normal(method: Mapping[str, Any]) -> Settings:
    """The settings of a method as this grid writes them: ARTBP's defaults written out, others' left out, no memory."""
    if method["name"] == "tbptt":
        random = {"phase": "random"} if method.get("phase") == "random" else {}
        return {**_truncated(method["length"]), **random}
    if method["name"] == "artbp":
        constant = method.get("schedule") == "constant"
        ours = _artbp(float(method["length"]), None if constant else float(method["alpha"]))
        return {**ours, "reweight": bool(method.get("reweight", True)), "every": int(method.get("every", 1))}
    return {
        key: value
        for key, value in method.items()
        if key not in ("memory", "suggest") and "${" not in str(value)  # a yaml that is read alone may refer to others
    }


def with_stored_steps(method: Settings, wanted: float) -> Settings:
    """The settings of `method` at the length at which it stores `wanted` steps on average; UserError if none does."""
    if method["name"] == "tbptt":
        return {**method, "length": round(2 * wanted + 1)}

    def build(length: float) -> Scheme:
        scheme: Scheme = registry.build("method", {**method, "length": length})
        return scheme

    return {**method, "length": length_for_stored_steps(build, wanted, shortest=float(method.get("every", 1)))}


def _list(own: Mapping[str, Any], name: str) -> Sequence[Any]:
    value = own[name]
    if not isinstance(value, list):
        raise UserError(f"diagnose.{name} must be a list, as in 'diagnose.{name}=[10,25]'; got {value!r}")
    return value


def _others(lengths: Sequence[float]) -> list[Settings]:
    """Every other registered scheme as its yaml sets it, at each of `lengths` if it has one."""
    found = []
    for name in registry.names("method", package=registry.SCHEMES):
        if name in COMPARED:
            continue
        defaults = yaml.safe_load((registry.directory() / "method" / f"{name}.yaml").read_text(encoding="utf-8"))
        method = normal(defaults)
        if "length" not in defaults:
            found.append(method)
            continue
        # whole numbers as int, which a method may insist on
        found += [{**method, "length": int(value) if value == int(value) else value} for value in lengths]
    return found


def _equal_memory(schedules: list[Settings], memory: float) -> tuple[list[Settings], list[str]]:
    found, left_out = [], []
    for method in schedules:
        try:
            found.append(with_stored_steps(method, memory))
        except UserError:
            which = "a constant hazard" if method.get("alpha") is None else f"α = {method['alpha']:g}"
            left_out.append(
                f"left out of the comparison at equal memory: {which}, for which no length gives diagnose.memory="
                f"{memory:g} stored steps (their mean is finite for α > 3 only)"
            )
    return found, left_out


def _of_run(run: Settings) -> list[Settings]:
    """The run's own method, and truncated BPTT of the same length where that is whole."""
    if run["name"] == "bptt":
        return []
    length = run.get("length")
    same = [_truncated(int(length))] if length is not None and length == int(length) else []
    return same if run == _truncated(run.get("length", 0)) else [*same, run]


def _with_memory(method: Settings, kept: int | None) -> Settings:
    takes = "memory" in inspect.signature(registry.builder("method", method["name"])).parameters
    return {**method, "memory": kept} if takes else method


def _truncated(length: int) -> Settings:
    return {"name": "tbptt", "length": length}


def _artbp(length: float, alpha: float | None) -> Settings:
    """ARTBP with the paper's schedule, or with a constant hazard where `alpha` is None."""
    schedule = "constant" if alpha is None else "paper"
    return {"name": "artbp", "length": length, "schedule": schedule, "alpha": alpha, "reweight": True, "every": 1}
