"""`artbp.diagnose` on loops of one's own: the same numbers as artbp-diagnose, and a verdict that is true."""

import warnings
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

import artbp_exp as artbp
from artbp_exp.diagnosis import clock
from artbp_exp.diagnosis.user_loop import study, timed_loop
from artbp_exp.diagnosis.user_loop.formula import crossings
from artbp_exp.diagnosis.user_loop.report import verdict
from artbp_exp.errors import UserError
from artbp_exp.evidence.figures.diagnosis import bias_and_variance
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.tasks.base import Task
from artbp_exp.theory.exact_variance import exact_variance
from artbp_exp.verification.oracle import full_bptt, squared_crossings
from artbp_exp.verification.user_loop.module_snapshot import ModuleSnapshot
from artbp_exp.verification.user_loop.segment_loss import UserLoop
from tests.small import measured, small

SegmentLoss = Any


@pytest.fixture(autouse=True)
def quick(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Predicts nothing where no time is given for it."""
    monkeypatch.setattr(study, "PATIENCE", 1000.0 if "predicted" in request.node.name else 0.0)


def loop(model: RecurrentModel, task: Task) -> SegmentLoss:
    """The training loop of a shipped model, as a user would write it."""

    def segment_loss(start: int, segment: artbp.Segment, state: Any) -> tuple[Tensor, Any]:
        inputs, targets = task.window(start, start + segment.length)
        outputs, state = artbp.unroll(model.step, model.encode(inputs), state, segment)
        return task.loss(model.decode(torch.stack(outputs)), targets), artbp.detach(state)

    return segment_loss


@pytest.mark.parametrize("name", ["linear", "lstm", "authors", "gru", "rnn"])
def test_it_agrees_with_artbp_diagnose(name: str) -> None:
    model, task = small(name, 40)
    found = artbp.diagnose(
        loop(model, task), model, state=model.init_state(task.batch_size), steps=40, lengths=[5], alphas=[4],
        windows=1, draws=20,
    )  # fmt: skip
    assert found.windows == 1
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
        uncut = artbp.bptt().segment(segment.length)
        outputs, state = artbp.unroll(net.step, x, state, uncut if mistake == "no factors" else segment)
        loss = (torch.stack(outputs) - 1).square().sum()
        if mistake == "mean":
            loss = loss / segment.length
        return loss if mistake == "no state" else (loss, artbp.detach(state))

    return segment_loss


def test_a_short_memory_is_not_harmed_and_a_long_one_is() -> None:
    short, long = Leaky(0.3), Leaky(0.995)
    state = torch.zeros(3, 2)
    harmless = artbp.diagnose(
        leaky(short), short, state=state, steps=60, lengths=[10, 25], alphas=[6], windows=2, draws=8
    )
    assert [line[:11] for line in harmless.verdict] == ["At L = 10 y", "At L = 25 y"]
    assert all(line.endswith("truncation is not your problem") for line in harmless.verdict)
    harmful = artbp.diagnose(leaky(long), long, state=state, steps=150, lengths=[10], alphas=[4], draws=8)
    (line,) = harmful.verdict
    assert line.startswith("At L = 10 your truncated gradient is off by ")
    row = harmful.table.iloc[0]
    assert row["bias2_low"] > 0.05
    assert row["cosine"] > 0
    text = str(harmful)
    assert text.startswith(line)
    assert "nan" not in text
    assert "ARTBP L0 = 10 α = 4" in text
    assert text.endswith("4 windows of 150 steps, in float64)")


def rows(*, error: float, systematic: float, updates: float, at_most: float | None = None) -> pd.DataFrame:
    """Truncated BPTT of L = 35, and ARTBP of the same memory."""
    common = {"length": 35.0, "alpha": 6.0, "stored_mean_theory": 17.0, "stored_peak": 35, "seconds_per_step": 1e-3}
    ends = {"": 1.0, "_low": 0.9, "_high": 1.1}
    truncated = {f"bias2{end}": (share * error) ** 2 for end, share in ends.items()}
    truncated |= {f"bias2_lasting{end}": (share * systematic) ** 2 for end, share in ends.items()}
    if at_most is not None:
        truncated["bias2_lasting_high"] = at_most**2
    random = {f"updates_to_match{end}": share * updates for end, share in ends.items()}
    changed = {"length": 14.0, "stored_peak": 160, "seconds_per_step": 1.2e-3}
    return pd.DataFrame(
        [
            {"method": "tbptt", "comparison": "length", "variance": 0.0, **common, **truncated},
            {"method": "artbp", "comparison": "equal memory", "variance": 1.0, **common, **random, **changed},
        ]
    )


TAKE = (
    "take artbp.artbp(length=14, alpha=6), which stores 17 steps on average (17 now) and 160 at the longest of its "
    "draws (35 now; memory=… bounds it), and takes 1.2 times the time a step"
)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (
            {"error": 0.022, "systematic": 0.004, "updates": 4000},
            "0.4 % systematically; ARTBP with the same memory needs about 4,000 updates (3,600 to 4,400) to be nearer "
            "the truth: truncation is not your problem",
        ),
        (
            {"error": 0.5, "systematic": 0.2, "updates": 40},
            "20 % systematically; ARTBP with the same memory needs about 40 updates (36 to 44) to be nearer the truth: "
            f"truncation is your problem; {TAKE}",
        ),
        (
            {"error": 0.5, "systematic": 0.6, "updates": 4000},
            "all of it systematically; ARTBP with the same memory needs about 4,000 updates (3,600 to 4,400) to be "
            f"nearer the truth: it is worth it only if your learning rate averages over more; then {TAKE}",
        ),
        (
            {"error": 0.02, "systematic": 0.01, "updates": 0.5},
            "1 % systematically; ARTBP with the same memory needs less than one update (0.45 to 0.55) to be nearer the "
            f"truth: truncation is a small problem; if it matters, {TAKE}",
        ),
        (
            {"error": 0.02, "systematic": 0.0, "updates": float("inf")},
            "none of it provably systematic over 4 windows, and at most 0 %: truncation is not your problem",
        ),
        (
            {"error": 0.02, "systematic": 0.0, "updates": float("inf"), "at_most": 0.01, "common": 0.1},
            "none of it provably systematic over 4 windows, but up to 1 % may be: not settled; take more windows, or "
            "longer ones",
        ),
        (
            {"error": 0.02, "systematic": 0.01, "updates": 40, "common": 0.1},
            "1 % systematically; ARTBP with the same memory needs about 40 updates (36 to 44) to be nearer the truth: "
            f"truncation is your problem; {TAKE}",
        ),
        (
            {"error": 0.6, "systematic": 0.0, "updates": float("inf"), "at_most": 0.2},
            "none of it provably systematic over 4 windows, but up to 20 % may be: not settled; take more windows, or "
            "longer ones",
        ),
    ],
)
def test_the_verdict_says_plainly_what_to_do(found: dict[str, float], said: str) -> None:
    error = 100 * found["error"]
    head = f"At L = 35 your truncated gradient is off by {error:.2g} % ({0.9 * error:.2g} % to {1.1 * error:.2g} %)"
    common = found.pop("common", 1.0)
    share = f" (the windows' gradients have {100 * common:.2g} % of it in common)" if common < 0.5 else ""
    assert verdict(rows(**found), 4, common) == f"{head} of its norm on average{share}, {said}"


LITTLE: Any = {"state": torch.zeros(3, 2), "lengths": [5], "alphas": [6], "windows": 1, "draws": 8}


def test_a_state_detached_in_every_step_is_noted() -> None:
    net = Leaky(0.9)

    def forgets(start: int, segment: artbp.Segment, state: Tensor) -> Any:
        outputs, state = artbp.unroll(lambda x, s: net.step(x, s.detach()), X[start:][: segment.length], state, segment)
        return torch.stack(outputs).square().sum(), artbp.detach(state)

    for loop, wanted in ((leaky(net), False), (forgets, True)):
        notes = artbp.diagnose(loop, net, steps=30, **LITTLE).notes
        assert any("not the derivative of its loss" in note for note in notes) == wanted
        assert any("no gradient crosses" in note for note in notes) == wanted


def test_a_loss_that_stands_at_the_end_alone_has_no_influence_to_show() -> None:
    net = Leaky(0.9)

    def at_the_end(start: int, segment: artbp.Segment, state: Tensor) -> Any:
        outputs, state = artbp.unroll(net.step, X[start:][: segment.length], state, segment)
        ends = start + segment.length == 12
        return (outputs[-1].square().sum() if ends else 0), artbp.detach(state)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "At L = 5" in str(artbp.diagnose(at_the_end, net, steps=12, **LITTLE))


def test_nothing_is_changed_and_what_is_found_or_predicted_is_saved(tmp_path: Path) -> None:
    net = Leaky(0.9)
    net.weight.grad = torch.ones(2)
    before, random = net.weight.detach().clone(), torch.get_rng_state()
    found = artbp.diagnose(
        leaky(net), net, state=torch.zeros(3, 2), steps=30, lengths=[5], alphas=[6], windows=2, draws=8
    )
    assert net.weight.dtype == torch.float32
    assert torch.equal(net.weight, before)
    assert torch.equal(net.weight.grad, torch.ones(2))
    assert net.calls == 0
    assert torch.equal(torch.get_rng_state(), random)
    found.save(tmp_path / "out")
    table = pd.read_csv(tmp_path / "out" / "methods.csv")
    assert table["method"].tolist() == ["tbptt", "artbp", "artbp"]
    assert table["bias2_lasting"].notna().sum() == 1
    bias_and_variance(found.table).savefig(tmp_path / "diagnosis.png")
    assert (tmp_path / "out" / "advice.txt").read_text(encoding="utf-8") == f"{found.verdict[0]}\n"
    assert {path.name for path in (tmp_path / "out").glob("*.png")} == {"bias_and_variance.png", "influence.png"}
    assert len(found.plot().axes) == 2
    with pytest.raises(UserError, match=r"cannot write to \S+methods.csv/below: Not a directory; name another folder"):
        found.save(tmp_path / "out" / "methods.csv" / "below")


def test_influence_and_the_predicted_variance_are_those_of_the_model() -> None:
    net = Leaky(0.8)
    found = artbp.diagnose(leaky(net), net, state=torch.zeros(3, 2), steps=50, lengths=[20], alphas=[6], windows=1)
    falls = found.influence.set_index("lag")["influence"]
    assert falls.index[-1] == 40
    # the loss is a square: its derivative is 2(s − 1) for whatever s is there
    assert falls[40] / falls[1] == pytest.approx(0.8**39, rel=0.7)
    random = found.table[found.table["method"] == "artbp"]
    assert (random["predicted"] / random["variance"] - 1).abs().max() < 0.5
    assert "the influence of a state on later losses falls to a tenth within 1" in str(found)


def test_the_predicted_variance_is_exact_where_every_place_is_looked_at() -> None:
    model, task = small("lstm", 12)
    scheme = artbp.artbp(length=3, alpha=4)
    by_user = UserLoop(
        segment_loss=loop(model, task),
        parameters=dict(model.named_parameters()),
        state=model.init_state(task.batch_size),
        steps=12,
        snapshot=ModuleSnapshot(None, apart=(), dtypes={}),
    )
    by_model = squared_crossings(model, full_bptt(model, task), scheme.factors(11))
    assert exact_variance(scheme, 12, crossings(by_user, scheme)) == pytest.approx(
        exact_variance(scheme, 12, by_model), rel=1e-9
    )


def test_a_budget_bounds_everything_and_the_report_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that goes on by 1 whenever it is looked at: three times or so a pass."""
    net, ticks = Leaky(0.9), count()
    for module in (clock, timed_loop):
        monkeypatch.setattr(module, "time", SimpleNamespace(perf_counter=ticks.__next__))
    settings: dict[str, Any] = {"state": torch.zeros(3, 2), "steps": 24, "lengths": [5, 6, 7, 8], "windows": 20}
    found = artbp.diagnose(leaky(net), net, draws=500, budget=600, **settings)
    assert next(ticks) < 1200
    assert found.table["method"].iloc[0] == "tbptt"
    assert found.table["draws"].iloc[-1] < 500
    assert any(note.startswith("the budget ended it early (") for note in found.notes)
    assert "note: " in str(found)
    with pytest.raises(UserError, match="budget is over before anything is measured: a pass over 24 steps takes"):
        artbp.diagnose(leaky(net), net, budget=8, **settings)


def test_windows_may_begin_anywhere_and_have_states_of_their_own() -> None:
    net = Leaky(0.9)
    settings: dict[str, Any] = {"steps": 40, "lengths": [5], "alphas": [6], "draws": 8}
    along = artbp.diagnose(leaky(net), net, state=torch.zeros(3, 2), starts=[0, 90], **settings)
    with torch.no_grad():
        _, there = leaky(net)(0, artbp.bptt().segment(90), torch.zeros(3, 2))
    given = artbp.diagnose(leaky(net), net, starts=[0, 90], states=iter([torch.zeros(3, 2), there]), **settings)
    assert along.windows == given.windows == 2
    assert along.table["bias2_lasting"][0] == pytest.approx(given.table["bias2_lasting"][0], rel=1e-4)
    fresh = artbp.diagnose(leaky(net), net, state=torch.zeros(3, 2), windows=2, **settings)
    assert fresh.table["bias2_lasting"][0] != pytest.approx(given.table["bias2_lasting"][0], rel=1e-2)
    for wrong, said in (
        ({"starts": [0, 39]}, r"windows of 40 steps that do not overlap, ascending; got \[0, 39\]"),
        ({"states": [there]}, "states goes with starts"),
        ({"starts": [0, 1], "states": [there]}, "states must have one for each of starts, 2; got fewer"),
    ):
        with pytest.raises(UserError, match=said):
            artbp.diagnose(leaky(net), net, state=there, **settings, **wrong)


def test_data_that_end_before_the_last_window_are_one_line() -> None:
    net = Leaky(0.9)
    short = leaky(net)

    def segment_loss(start: int, segment: artbp.Segment, state: Tensor) -> Any:
        if start + segment.length > 60:
            raise IndexError("index 60 is out of bounds")
        return short(start, segment, state)

    settings: dict[str, Any] = {"state": torch.zeros(3, 2), "steps": 30, "lengths": [5], "alphas": [6], "draws": 8}
    with pytest.raises(UserError, match=r"steps 60 to 89 fails \(IndexError: index 60 .* need data for 120"):
        artbp.diagnose(segment_loss, net, **settings)
    with pytest.raises(IndexError) as caught:
        artbp.diagnose(segment_loss, net, **{**settings, "starts": [40], "steps": 30})
    assert caught.value.__notes__ == [
        "artbp called segment_loss(40, a segment of 30 steps, state) in float64; it needs data for 70 steps"
    ]


@pytest.mark.parametrize(
    ("mistake", "said"),
    [
        ("random", "segment_loss is random .*put that in eval mode"),
        ("mean", "artbp.verify refutes this loop, .*: the loss is a mean over the segment's actual length"),
        ("no factors", "artbp.verify refutes this loop, .*: the factors are not applied at all"),
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
        ({"alphas": [2]}, r"alphas must each be above 2; got \[2\]"),
    ],
)
def test_wrong_settings_are_one_line(setting: dict[str, Any], said: str) -> None:
    net = Leaky(0.9)
    with pytest.raises(UserError, match=said):
        artbp.diagnose(leaky(net), net, **{"state": torch.zeros(3, 2), "steps": 60, "lengths": [5], **setting})
    with pytest.raises(UserError, match="segment_loss must be a function"):
        artbp.diagnose(net.weight, net)  # type: ignore[arg-type]  # the mistake
    assert np.isfinite(net.weight.detach().numpy()).all()
