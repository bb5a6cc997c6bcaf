"""What a run is called and which colour it has, from its configuration."""

from artbp_exp.runs.load import Run

NAMES = {
    "tbptt": "truncated BPTT",
    "bptt": "full BPTT",
    "artbp": "ARTBP",
    "uniform": "uniform lengths",
    "awd": "AWD-LSTM's lengths",
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


def kind(run: Run) -> str:
    """What gives its lines their colour: the method, or what stands at a cut, beside the loss or in the model."""
    config, method = run.config, run.config["method"]
    for group in ("auxiliary", "boundary"):
        beside = str(config.get(group, {}).get("name", "none"))
        if beside != "none":
            return beside
    if config["model"]["name"] == "sab":
        return "sab" if config["model"]["top"] else "tbptt"
    if method["name"] == "artbp" and not method.get("reweight", True):
        return "random"
    return "constant" if method.get("schedule") == "constant" else str(method["name"])


def label(run: Run) -> str:
    """What a run is called: its method with whatever stands beside it."""
    config, method, name = run.config, run.config["method"], run.config["method"]["name"]
    said = str(NAMES.get(name, name))
    if name in ("tbptt", "uniform", "awd"):
        said += f", L = {method['length']:g}"
    if name == "artbp":
        said = said if method.get("reweight", True) else "random cuts, not reweighted"
        schedule = "constant hazard" if method["schedule"] == "constant" else f"α = {method['alpha']:g}"
        said += f", L0 = {method['length']:g}, {schedule}"
    if config["model"]["name"] == "sab":
        attention = "SAB" if config["model"]["top"] else "no attention"
        said = f"{attention}, detached every {config['model']['truncate']} steps"
    for group in ("boundary", "auxiliary"):
        beside = config.get(group, {}).get("name", "none")
        if beside != "none":
            said += f" + {NAMES.get(beside, beside)}"
    return said
