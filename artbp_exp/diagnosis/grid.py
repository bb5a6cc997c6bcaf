"""Which methods are measured: over lengths, and over exponents at equal mean length and at equal memory."""

from collections.abc import Mapping, Sequence
from typing import Any

from artbp_exp import checks, registry
from artbp_exp.errors import UserError
from artbp_exp.theory.stored_steps import length_for_stored_steps
from artbp_exp.truncation import Scheme

Method = dict[str, Any]
Grid = list[tuple[str, Method]]


def methods(own: Mapping[str, Any], *, kept: int | None, run: Mapping[str, Any]) -> tuple[Grid, list[str]]:
    """Which settings are compared, and which cannot be.

    Args:
        own: `diagnose`'s settings: `lengths`, `truncated_lengths`, `alphas`, `alpha`, `length`, `memory`.
        kept: `method.memory` of all of them, steps kept at a time.
        run: the run's own method: `method`, `length`, `schedule`, `alpha`, `reweight`, `every`.

    Returns:
        (which comparison it belongs to, settings of the method), none twice within a comparison, the run's own method
        and truncated BPTT of its length last if they are not among the others; and why some are left out, a line each.

    Raises:
        UserError: a setting is wrong.
    """
    alpha = checks.number("diagnose.alpha", own["alpha"], above=2)
    length = checks.number("diagnose.length", own["length"], at_least=1)
    memory = checks.number("diagnose.memory", own["memory"], above=0)
    truncated = [checks.whole("diagnose.truncated_lengths", v, at_least=1) for v in _list(own, "truncated_lengths")]
    lengths = [checks.number("diagnose.lengths", value, at_least=1) for value in _list(own, "lengths")]
    alphas = [checks.number("diagnose.alphas", value, above=2) for value in _list(own, "alphas")]
    found: Grid = [("length", _truncated(value)) for value in truncated]
    for value in lengths:
        found.append(("length", _paper(value, alpha)))
        found.append(("length", {**_paper(value, alpha), "reweight": False}))
        found.append(("length", _constant(value)))
    left_out: list[str] = []
    if alphas:
        if run["schedule"] == "paper" and run["alpha"] not in alphas:
            alphas.append(float(run["alpha"]))
        schedules = [*(_paper(length, value) for value in alphas), _constant(length)]
        found += [("equal length", method) for method in schedules]
        equal, left_out = _equal_memory([*schedules, _truncated(1)], memory)
        found += [("equal memory", method) for method in equal]
    found += [("length", method) for method in _of_run(run)]
    if not found:
        raise UserError("nothing is left to measure; give diagnose.lengths, truncated_lengths or alphas an entry")
    distinct: Grid = []
    for one in found:
        if one not in distinct:
            distinct.append(one)
    return [(comparison, {**method, "memory": kept}) for comparison, method in distinct], left_out


def _list(own: Mapping[str, Any], name: str) -> Sequence[Any]:
    value = own[name]
    if not isinstance(value, list):
        raise UserError(f"diagnose.{name} must be a list, as in 'diagnose.{name}=[10,25]'; got {value!r}")
    return value


def _equal_memory(schedules: list[Method], memory: float) -> tuple[list[Method], list[str]]:
    found, left_out = [], []
    for method in schedules:
        try:
            found.append(with_stored_steps(method, memory))
        except UserError:
            which = "a constant hazard" if method.get("alpha") is None else f"α = {method['alpha']:g}"
            left_out.append(
                f"left out of the comparison at equal memory: {which}, for which no length gives diagnose.memory="
                f"{memory:g} stored steps (they are finite on average for α > 3 only)"
            )
    return found, left_out


def with_stored_steps(method: Method, wanted: float) -> Method:
    """The settings of `method` at the mean length at which it stores `wanted` steps on average.

    Raises:
        UserError: there is no such length.
    """
    if method["name"] == "tbptt":
        return {**method, "length": round(2 * wanted + 1)}

    def build(length: float) -> Scheme:
        scheme: Scheme = registry.build("method", {**method, "length": length})
        return scheme

    return {**method, "length": length_for_stored_steps(build, wanted, shortest=float(method.get("every", 1)))}


def _of_run(run: Mapping[str, Any]) -> list[Method]:
    """The run's own method, and truncated BPTT of the same length where that is whole."""
    if run["method"] not in ("artbp", "tbptt"):
        return []
    length = float(run["length"])
    same = [_truncated(int(length))] if length == int(length) else []
    if run["method"] == "tbptt":
        return same
    own = _constant(length) if run["schedule"] == "constant" else _paper(length, float(run["alpha"]))
    return [*same, {**own, "reweight": bool(run["reweight"]), "every": int(run["every"])}]


def _truncated(length: int) -> Method:
    return {"name": "tbptt", "length": length}


def _paper(length: float, alpha: float) -> Method:
    return {"name": "artbp", "length": length, "schedule": "paper", "alpha": alpha, "reweight": True, "every": 1}


def _constant(length: float) -> Method:
    return {"name": "artbp", "length": length, "schedule": "constant", "alpha": None, "reweight": True, "every": 1}
