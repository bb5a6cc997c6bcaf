"""What the tests of the report share: a folder of results, made up."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from artbp_exp.evidence.claims.claim import Claim
from tests.conftest import ROOT


def ptb_run(
    results: Path,
    method: dict[str, Any],
    *,
    carry: bool,
    seed: int,
    valid: float,
    worse: float = 0.0,
    folder: str = "ptb_tier1",
) -> None:
    """A run of ten epochs whose last three are at `valid`, but the very last `worse` by that: end point + a third."""
    name = "-".join(str(value) for value in (*method.values(), carry))
    run = results / folder / "ptb" / name / f"seed{seed}"
    run.mkdir(parents=True)
    config = {
        "method": {"length": 50, "schedule": "paper", "alpha": 4} | method,
        "task": {"name": "ptb", "carry_state": carry, "epochs": 10},
        "model": {"name": "lstm", "hidden_size": 256},
        "optimizer": {"lr": 1e-3},
        "seed": seed,
    }
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    summary = {"valid_bpc": valid, "test_bpc": valid - 0.05, "status": "finished", "method": method["name"]}
    summary |= {"command": f"artbp-run recorded method={method['name']} seed={seed}", "git_commit": "0123456789"}
    (run / "summary.json").write_text(json.dumps(summary | {"length": 50}))
    (run / "metrics.csv").write_text(
        f"epoch,step,valid_bpc\n1,10,{valid + 0.3}\n8,80,{valid}\n9,90,{valid}\n10,100,{valid + worse}\n"
    )


def balancing_run(results: Path, *, seed: int, segments: str, **changes: Any) -> None:
    """A run of influence balancing that reached θ*; `segments` is the text of its lengths, without the header."""
    folder = results / "influence_balancing" / f"seed{seed}"
    folder.mkdir(parents=True)
    config = {"method": {"name": "artbp", "length": 16}, "model": {"theta": 0.5}, "seed": seed}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    summary = {"status": "finished", "theta": -1 / 6, "theta_optimal": -1 / 6}
    (folder / "summary.json").write_text(json.dumps(summary | changes))
    (folder / "segments.csv").write_text(f"length,count\n{segments}\n")


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A results folder of the test's own; see `made_up`."""
    return made_up(tmp_path / "results")


def made_up(folder: Path) -> Path:
    """Fills a results folder with ARTBP ahead of truncated BPTT by 0.02 on three seeds, carried only."""
    shutil.copytree(ROOT / "results" / "authors", folder / "authors")
    for seed in range(3):
        ptb_run(folder, {"name": "artbp"}, carry=True, seed=seed, valid=1.65 + 0.01 * seed)
        ptb_run(folder, {"name": "tbptt"}, carry=True, seed=seed, valid=1.67 + 0.011 * seed)
        if seed < 2:
            ptb_run(folder, {"name": "artbp", "reweight": False}, carry=True, seed=seed, valid=1.65)
    return folder


def find(claims: list[Claim], key: str) -> Claim:
    (found,) = [claim for claim in claims if claim.key == key]
    return found
