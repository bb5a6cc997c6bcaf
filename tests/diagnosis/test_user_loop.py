"""`artbp.diagnose` on loops of one's own: the same numbers as artbp-diagnose, and a verdict that is true."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

import artbp_exp as artbp
from artbp_exp.errors import UserError
from artbp_exp.evidence.figures.diagnosis import bias_and_variance
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.tasks.base import Task
from tests.small import measured, small

SegmentLoss = Any


def loop(model: RecurrentModel, task: Task) -> SegmentLoss:
    """The training loop of a shipped model, as a user would write it."""

    def segment_loss(start: int, segment: artbp.Segment, state: Any) -> tuple[Tensor, Any]:
        inputs, targets = task.window(start, start + segment.length)
        outputs, state = artbp.unroll(model.step, model.encode(inputs), state, segment)
        return task.loss(model.decode(torch.stack(outputs)), targets), artbp.detach(state)

    return segment_loss


@pytest.mark.parametrize("name", ["lstm", "linear"])
def test_it_agrees_with_artbp_diagnose(name: str) -> None:
    model, task = small(name, 40)
    found = artbp.diagnose(
        loop(model, task), model, state=model.init_state(task.batch_size), steps=40, lengths=[5], alphas=[4],
        windows=1, draws=20,
    )  # fmt: skip
    methods: list[dict[str, Any]] = [{"name": "tbptt", "length": 5}, {"name": "artbp", "length": 5, "alpha": 4}]
    for index, method in enumerate(methods):
        wanted = measured(model, task, method, draws=20, starts=4, seed=(0, index))
        row = found.table.iloc[index]
        for column in ("bias2", "bias2_low", "bias2_high", "variance", "cosine", "cosine_mean"):
            assert row[column] == pytest.approx(wanted[column], rel=1e-8, abs=1e-12), column
    # seven steps of ARTBP's L0 = 2.33 store as much as L = 5 does
    assert list(found.table["comparison"]) == ["length", "length", "equal memory"]
    assert found.table["stored_mean_theory"].iloc[2] == pytest.approx(2, rel=1e-3)


class Leaky(nn.Module):
    """s' = r·s + w·x in float32, with a buffer; the loss is on the whole state, far from which nothing is lost."""

    def __init__(self, decay: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([0.5, -0.3]))
        self.decay = decay
        self.register_buffer("calls", torch.zeros(()))

    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        state = self.decay * state + self.weight * x
        return state, state


X = torch.randn(4000, 3, 2, generator=torch.Generator().manual_seed(0))


def leaky(net: Leaky, mistake: str = "") -> SegmentLoss:
    def segment_loss(start: int, segment: artbp.Segment, state: Tensor) -> Any:
        net.calls += 1
        x = X[start : start + segment.length]
        if mistake == "random":
            x = x + torch.randn(())
        outputs, state = artbp.unroll(net.step, x, state, segment)
        loss = (torch.stack(outputs) - 1).square().sum()
        if mistake == "mean":
            loss = loss / segment.length
        return loss if mistake == "no state" else (loss, artbp.detach(state))

    return segment_loss


def test_a_short_memory_is_not_harmed_and_a_long_one_is() -> None:
    short, long = Leaky(0.3), Leaky(0.995)
    state = torch.zeros(3, 2)
    harmless = artbp.diagnose(leaky(short), short, state=state, steps=200, lengths=[10, 25], draws=20)
    assert all(line.endswith("truncation is not your problem") for line in harmless.verdict)
    harmful = artbp.diagnose(leaky(long), long, state=state, steps=400, lengths=[10], draws=40)
    (line,) = harmful.verdict
    assert line.startswith("L = 10: the truncated gradient is off by ")
    row = harmful.table.iloc[0]
    assert row["bias2_low"] > 0.05
    assert row["cosine"] > 0
    text = str(harmful)
    assert text.startswith(line)
    assert "nan" not in text
    assert "ARTBP L0 = 10 α = 4" in text
    assert text.endswith("4 windows of 400 steps, in float64)")


def test_nothing_is_changed_and_the_tables_are_saved(tmp_path: Path) -> None:
    net = Leaky(0.9)
    net.weight.grad = torch.ones(2)
    before, random = net.weight.detach().clone(), torch.get_rng_state()
    found = artbp.diagnose(leaky(net), net, state=torch.zeros(3, 2), steps=60, lengths=[5], windows=2, draws=8)
    assert net.weight.dtype == torch.float32
    assert torch.equal(net.weight, before)
    assert torch.equal(net.weight.grad, torch.ones(2))
    assert net.calls == 0
    assert torch.equal(torch.get_rng_state(), random)
    found.save(tmp_path / "out")
    table = pd.read_csv(tmp_path / "out" / "methods.csv")
    assert table["method"].tolist() == ["tbptt", "artbp", "artbp", "artbp", "artbp"]
    assert table["bias2_lasting"].notna().sum() == 1
    bias_and_variance(found.table).savefig(tmp_path / "diagnosis.png")
    assert (tmp_path / "out" / "advice.txt").read_text(encoding="utf-8") == f"{found.verdict[0]}\n"


def test_a_budget_takes_fewer_draws() -> None:
    net = Leaky(0.9)
    found = artbp.diagnose(leaky(net), net, state=torch.zeros(3, 2), steps=60, lengths=[5], windows=1, budget=1e-3)
    assert set(found.table["draws"][found.table["method"] == "artbp"]) == {8}


@pytest.mark.parametrize(
    ("mistake", "said"),
    [
        ("random", "segment_loss is random .*put that in eval mode"),
        ("mean", "cuts change the loss of segment_loss: .* return the sum over the segment's steps"),
        ("no state", r"segment_loss must return \(loss, next state\); got Tensor"),
    ],
)
def test_what_cannot_be_diagnosed_is_one_line(mistake: str, said: str) -> None:
    net = Leaky(0.9)
    with pytest.raises(UserError, match=said):
        artbp.diagnose(leaky(net, mistake), net, state=torch.zeros(3, 2), steps=60, lengths=[5])


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"lengths": []}, "lengths must name at least one length, each below steps=60"),
        ({"lengths": [60]}, r"each below steps=60; got \[60\]"),
        ({"windows": 0}, "windows must be a whole number ≥ 1"),
        ({"draws": 3}, "draws must be a whole number ≥ 8"),
        ({"budget": 0}, "budget must be a number > 0"),
        ({"alphas": [2]}, "method.alpha must be > 2"),
    ],
)
def test_wrong_settings_are_one_line(setting: dict[str, Any], said: str) -> None:
    net = Leaky(0.9)
    with pytest.raises(UserError, match=said):
        artbp.diagnose(leaky(net), net, **{"state": torch.zeros(3, 2), "steps": 60, "lengths": [5], **setting})
    with pytest.raises(UserError, match="segment_loss must be a function"):
        artbp.diagnose(net.weight, net)  # type: ignore[arg-type]  # the mistake
    assert np.isfinite(net.weight.detach().numpy()).all()
