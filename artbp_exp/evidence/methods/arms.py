"""Arms of a comparison: what a run is called and which colour it has, from its configuration."""

from collections.abc import Iterable
from dataclasses import dataclass

from artbp_exp.evidence.figures.common import color_of
from artbp_exp.runs.load import Run

NAMES = {
    "tbptt": "truncated BPTT",
    "bptt": "full BPTT",
    "artbp": "ARTBP",
    "adaptive": "adaptive truncation",
    "tprop": "TPROP",
    "rtrl": "RTRL",
    "uoro": "UORO",
    "kf_rtrl": "KF-RTRL",
    "snap1": "SnAp-1",
    "pes": "PES",
    "pes_analytic": "PES-Analytic",
    "dni": "synthetic gradient",
    "critic": "critic",
    "sab": "SAB",
    "reconstruct": "reconstruction",
    "predict": "prediction",
}
"""Member → what it is called."""


@dataclass(frozen=True, order=True)
class Arm:
    """A method with whatever stands beside it.

    Attributes:
        label: in words.
        color: of its lines and cells.
    """

    label: str
    color: str


def arm(run: Run) -> Arm:
    """Of a run."""
    config = run.config
    method, name = config["method"], config["method"]["name"]
    beside = [config.get(group, {}).get("name", "none") for group in ("boundary", "auxiliary")]
    beside = [member for member in beside if member != "none"]
    key, said = name, NAMES.get(name, name)
    if name == "tbptt":
        said += f", L = {method['length']:g}"
    if name == "artbp":
        constant = method["schedule"] == "constant"
        key = "constant" if constant else name
        if not method.get("reweight", True):
            key, said = "random", "random cuts, not reweighted"
        said += f", L0 = {method['length']:g}, " + ("constant hazard" if constant else f"α = {method['alpha']:g}")
    if config["model"]["name"] == "sab":
        key, said = "sab", f"SAB, detached every {config['model']['truncate']} steps"
        if config["model"]["top"] == 0:
            key, said = "tbptt", said.replace("SAB", "no attention")
    for member in beside:
        key, said = member, f"{said} + {NAMES.get(member, member)}"
    return Arm(label=said, color=color_of(key))


def grouped(runs: Iterable[Run]) -> dict[Arm, list[Run]]:
    """Runs by arm, in the order in which arms first appear."""
    found: dict[Arm, list[Run]] = {}
    for run in runs:
        found.setdefault(arm(run), []).append(run)
    return found
