"""What stands on the seams is verified on them: a method without cuts, a boundary, an auxiliary loss."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from artbp_exp import registry
from artbp_exp.methods.base import Claim
from artbp_exp.run_config import RunConfig
from artbp_exp.verification.everything.rows import estimator_rows
from artbp_exp.verification.report import one

OWN: dict[str, Any] = {
    "steps": 4,
    "hidden_size": 3,
    "method_length": 2,
    "streams": 2,
    "draws": 0,
    "seconds": None,
    "stretch": None,
    "streams_at_full_size": 2,
}


@pytest.fixture
def verified(configure: Callable[..., RunConfig], tmp_path: Path) -> Callable[..., tuple[bool, pd.DataFrame]]:
    for part in ("train", "valid", "test"):
        (tmp_path / f"{part}.txt").write_text("abacabadabacabaabacabcdab" * 4)
    characters = ["task=ptb", "task.corpus=own", f"task.data_dir={tmp_path}", "task.batch_size=2", "model=rnn"]

    def verify(*overrides: str) -> tuple[bool, pd.DataFrame]:
        settings = configure(*characters, "model.hidden_size=3", *overrides)
        path = tmp_path / "verify.csv"
        return one(settings, OWN, path), pd.read_csv(path)

    return verify


def test_a_method_without_cuts_is_certified_by_its_outcomes(verified: Callable[..., Any]) -> None:
    certified, table = verified("method=rtrl", "method.update_every=2")
    assert certified
    assert set(table["check"]) == {"lengths drawn", "exact bias"}


def test_an_auxiliary_loss_is_named_as_the_cause(verified: Callable[..., Any]) -> None:
    certified, table = verified("method=artbp", "method.length=3", "auxiliary=reconstruct", "auxiliary.length=2")
    assert not certified
    assert "auxiliary=reconstruct changes the gradient that is estimated" in table["reason"][0]


def test_the_sweep_tries_a_method_without_cuts_on_every_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("artbp_exp.verification.everything.rows.estimators", lambda: [{"name": "rtrl"}])
    rows = {row["model"]: row for row in estimator_rows(4)}
    assert sorted(rows) == registry.names("model")
    assert rows.pop("sab")["verdict"] == "does not fit"
    assert {(row["verdict"], row["expected"], row["claim"]) for row in rows.values()} == {
        ("certified", "certified", Claim.EXACT)
    }
