"""Which methods are measured: over lengths, and over exponents at equal mean length and at equal memory."""

from collections.abc import Mapping
from typing import Any

from artbp_exp import checks
from artbp_exp.diagnosis.memory import with_memory

Method = dict[str, Any]


def methods(own: Mapping[str, Any], *, kept: int | None) -> list[tuple[str, Method]]:
    """(which comparison it belongs to, settings of the method), none twice within a comparison.

    Args:
        own: `diagnose`'s settings: `lengths`, `truncated_lengths`, `alphas`, `alpha`, `length`, `memory`.
        kept: `method.memory` of all of them, steps kept at a time.
    """
    alpha = checks.number("diagnose.alpha", own["alpha"], above=2)
    length = checks.number("diagnose.length", own["length"], at_least=1)
    memory = checks.number("diagnose.memory", own["memory"], above=0)
    found: list[tuple[str, Method]] = []
    for value in own["truncated_lengths"]:
        found.append(("length", {"name": "tbptt", "length": value}))
    for value in own["lengths"]:
        found.append(("length", _paper(value, alpha)))
        found.append(("length", {**_paper(value, alpha), "reweight": False}))
        found.append(("length", _constant(value)))
    for value in own["alphas"]:
        found.append(("equal length", _paper(length, checks.number("diagnose.alphas", value, above=2))))
    found.append(("equal length", _constant(length)))
    for value in own["alphas"]:
        found.append(("equal memory", with_memory(_paper(length, value), memory)))
    found.append(("equal memory", with_memory(_constant(length), memory)))
    found.append(("equal memory", with_memory({"name": "tbptt", "length": 1}, memory)))
    return [(comparison, {**method, "memory": kept}) for comparison, method in found]


def _paper(length: float, alpha: float) -> Method:
    return {"name": "artbp", "length": length, "schedule": "paper", "alpha": alpha, "reweight": True}


def _constant(length: float) -> Method:
    return {"name": "artbp", "length": length, "schedule": "constant", "alpha": None, "reweight": True}
