"""Auxiliary losses: against a decoder unrolled by hand, and the mistakes of published code, each refuted by a check."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from artbp_exp.autograd import map_state
from artbp_exp.errors import UserError
from artbp_exp.methods import SegmentMethod
from artbp_exp.methods.auxiliaries import predict, reconstruct
from artbp_exp.methods.auxiliaries.anchored import Anchored
from artbp_exp.methods.base import Run
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.run_config import RunConfig
from artbp_exp.tasks.text.evaluation import evaluate
from artbp_exp.training.experiment import Experiment
from artbp_exp.truncation import bptt
from tests.cells import STREAMS, NestedCell, build_model

BUILD = {"reconstruct": reconstruct.build, "predict": predict.build}
STEPS, LENGTH, BACK = 11, 3, 2
Compose = Callable[..., dict[str, Any]]
both = pytest.mark.parametrize("name", sorted(BUILD))


def plain(model: RecurrentModel) -> Run:
    def run(inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        outputs = []
        for row in model.encode(inputs).unbind(0):
            output, state = model.step(row, state)
            outputs.append(output)
        return torch.stack(outputs), state

    return run


def made(name: str, model: RecurrentModel, inputs: Tensor | None = None, **settings: Any) -> Anchored:
    inputs = torch.zeros(1, 1, dtype=torch.int64) if inputs is None else inputs
    task: Any = SimpleNamespace(shapes={"vocabulary": STEPS}, window=lambda start, stop: (inputs[start:stop], None))
    usual = {"length": LENGTH, "truncate": BACK, "generator": torch.Generator().manual_seed(3)}
    found = BUILD[name](**(usual | settings), model=model, rng=np.random.default_rng(0), task=task)
    return found.to(torch.float64)


def numbered(name: str = "rnn") -> tuple[RecurrentModel, Tensor]:
    """A model, and inputs of which no symbol comes twice: a row of the table's gradient is that of a step."""
    model = build_model(name)
    model.table = nn.Parameter(torch.randn(STEPS, *model.table.shape[1:], dtype=torch.float64))
    return model, torch.arange(STEPS)[:, None].expand(STEPS, STREAMS)


def by_hand(name: str, auxiliary: Anchored, anchor: int, model: RecurrentModel, inputs: Tensor, real: bool) -> Tensor:
    """The loss at an anchor (inputs read until it), step by step; states and decoder cut where they should be."""
    state, states = model.init_state(STREAMS), []
    for t in range(STEPS):
        if t == max(anchor - BACK, 0):
            state = map_state(lambda leaf: leaf.detach(), state)
        output, state = model.step(model.encode(inputs[t : t + 1])[0], state)
        states.append(output)
    vectors = inputs if real else nn.functional.one_hot(inputs, STEPS).double()
    cell = nn.GRUCell(auxiliary.decoder.input_size, auxiliary.decoder.hidden_size, dtype=torch.float64)
    for ours, theirs in (("weight_ih", "weight_ih_l0"), ("weight_hh", "weight_hh_l0"), ("bias_ih", "bias_ih_l0")):
        delattr(cell, ours)
        setattr(cell, ours, getattr(auxiliary.decoder, theirs))
    del cell.bias_hh
    cell.bias_hh = auxiliary.decoder.bias_hh_l0
    hidden = states[anchor - 1] if name == "reconstruct" else torch.zeros_like(states[0])
    total = torch.zeros((), dtype=torch.float64)
    for i in range(LENGTH):
        if name == "reconstruct":
            at = anchor - 1 - LENGTH + i
            read = vectors[at - 1] if i else torch.zeros_like(vectors[0])
        else:
            at, read = anchor + i, states[anchor - 1 + i]
        if i and i % BACK == 0:
            hidden = hidden.detach()
        hidden = cell(read, hidden)
        found = auxiliary.readout(hidden)
        value = (found - inputs[at]).square().mean() if real else nn.functional.cross_entropy(found, inputs[at])
        total = total + value / LENGTH
    return total


def gradients(loss: Tensor, *modules: nn.Module) -> list[Tensor]:
    parameters = [parameter for module in modules for parameter in module.parameters()]
    found = torch.autograd.grad(loss, parameters, allow_unused=True)
    return [torch.zeros_like(p) if g is None else g for p, g in zip(parameters, found, strict=True)]


@both
@pytest.mark.parametrize("cell", ["rnn", "lstm", "real"])
def test_loss_and_gradient_are_those_of_a_decoder_unrolled_by_hand(name: str, cell: str) -> None:
    real = cell == "real"
    if real:
        model: Any = NestedCell(generator=torch.Generator().manual_seed(1)).to(torch.float64)
        inputs = torch.randn(STEPS, STREAMS, 1, dtype=torch.float64)
    else:
        model, inputs = numbered(cell)
    auxiliary = made(name, model, inputs)
    least, greatest = auxiliary.places(STEPS)
    for anchor in range(least, greatest + 1):
        found = auxiliary.at(anchor, plain(model), model.init_state(STREAMS), inputs)
        wanted = by_hand(name, auxiliary, anchor, model, inputs, real)
        assert found.item() == pytest.approx(wanted.item(), rel=1e-13)
        pairs = zip(gradients(found, model, auxiliary), gradients(wanted, model, auxiliary), strict=True)
        assert max(float((a - b).norm()) for a, b in pairs) < 1e-13


def within(auxiliary: Anchored, steps: int) -> bool:
    """All l inputs of every anchor lie in the segment: none is taken from its other end, or missing."""
    least, greatest = auxiliary.places(steps)
    away = -1 if isinstance(auxiliary, reconstruct.Reconstruct) else 1
    ends = [anchor + away * LENGTH for anchor in (least, greatest)]
    return 1 <= least <= greatest <= steps and all(1 <= end <= steps for end in ends)


def reach(name: str, cls: type[Anchored] | None = None) -> list[int]:
    """Steps whose input the auxiliary loss at an anchor reaches through the model, counted back from the anchor."""
    model, inputs = numbered()
    auxiliary = made(name, model)
    if cls is not None:
        auxiliary.__class__ = cls
    anchor = 7
    auxiliary.at(anchor, plain(model), model.init_state(STREAMS), inputs).backward()
    return sorted(anchor - 1 - t for t in model.table.grad.abs().sum(1).nonzero().flatten().tolist())


def different_anchors(drawn: list[int]) -> bool:
    return len(set(drawn)) > 3


def drawn(auxiliary: Anchored) -> list[int]:
    seen: list[int] = []
    auxiliary.at = lambda anchor, *rest: seen.append(anchor) or torch.zeros(())  # type: ignore[method-assign]
    for _ in range(30):
        auxiliary(plain(build_model("rnn")), None, torch.zeros(STEPS, 1))
    return seen


@both
def test_what_published_code_gets_wrong_is_right_here(name: str) -> None:
    auxiliary = made(name, build_model("rnn"))
    assert within(auxiliary, STEPS)
    assert within(auxiliary, auxiliary.least)
    assert not within(auxiliary, auxiliary.least - 1)
    before_the_anchor = [lag for lag in reach(name) if lag >= 0]
    assert before_the_anchor == list(range(BACK))
    anchors = drawn(auxiliary)
    assert different_anchors(anchors)
    assert set(anchors) == set(range(auxiliary.places(STEPS)[0], auxiliary.places(STEPS)[1] + 1))


def test_the_mistakes_are_found() -> None:
    class Early(reconstruct.Reconstruct):
        """Anchors before l inputs have been read."""

        def places(self, steps: int) -> tuple[int, int]:
            return 1, steps

    class Untruncated(reconstruct.Reconstruct):
        """Longer BPTT in disguise."""

        def states(self, anchor: int, until: int, run: Run, state: Any, inputs: Tensor) -> Tensor:
            return run(inputs[:until], state)[0][anchor - 1 :]

    class Once(reconstruct.Reconstruct):
        """One anchor a process."""

        def forward(self, run: Run, state: Any, inputs: Tensor) -> Tensor:
            self._rng = np.random.default_rng(0)
            return super().forward(run, state, inputs)

    auxiliary = made("reconstruct", build_model("rnn"))
    auxiliary.__class__ = Early
    assert not within(auxiliary, STEPS)
    assert reach("reconstruct", Untruncated) != list(range(BACK))
    auxiliary.__class__ = Once
    assert not different_anchors(drawn(auxiliary))


def test_without_teacher_forcing_only_the_state_tells_the_decoder() -> None:
    model, inputs = numbered()
    told, alone = (made("reconstruct", model, teacher_forcing=t) for t in (True, False))
    losses = [a.at(7, plain(model), model.init_state(STREAMS), inputs) for a in (told, alone)]
    assert losses[0] != losses[1]
    columns = [gradients(loss, a.decoder)[0].abs().sum() for loss, a in zip(losses, (told, alone), strict=True)]
    assert columns[0] > 0
    assert columns[1] == 0  # of the input weights


@both
@pytest.mark.parametrize("engine", ["plain", "fused", "vendor"])
def test_every_engine_adds_the_same_gradient_to_that_of_the_loss(name: str, engine: str) -> None:
    model, inputs = numbered()
    targets = inputs.flip(0) % 4

    def loss(logits: Tensor, targets: Tensor) -> Tensor:
        return nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum") / STREAMS

    def found(auxiliary: Anchored | None) -> list[Tensor]:
        model.zero_grad()
        method = SegmentMethod(model=model, scheme=bptt.build(memory=4), engine=engine, auxiliary=auxiliary)
        (draw,) = (draw for _, draw in method.draws(STEPS, np.random.default_rng(0)))
        method.advance(method.begin(STREAMS), draw, inputs, targets, loss, ends=True)
        return [p.grad.clone() for p in model.parameters()]

    auxiliary = made(name, model, anchors=2)
    state = auxiliary.get_extra_state()
    added = [a - b for a, b in zip(found(auxiliary), found(None), strict=True)]
    auxiliary.set_extra_state(state)
    wanted = gradients(auxiliary(plain(model), model.init_state(STREAMS), inputs), model)
    assert max(float((a - b).norm()) for a, b in zip(added, wanted, strict=True)) < 1e-12


@pytest.fixture
def experiment(compose: Compose, tmp_path: Path) -> Callable[..., Experiment]:
    for part in ("train", "valid", "test"):
        (tmp_path / f"{part}.txt").write_text("abacabadabacabaabacabcdab" * 3)
    small = ["task=ptb", "task.corpus=own", f"task.data_dir={tmp_path}", "task.batch_size=2", "task.epochs=1"]
    small += ["model.hidden_size=3", "method=tbptt", "method.length=8", "optimizer.lr=0.01"]
    return lambda *overrides: Experiment(RunConfig.of(compose(*small, *overrides)))


def result(run: Experiment) -> tuple[list[dict[str, Any]], list[Tensor]]:
    rows = [{k: v for k, v in record.row.items() if "second" not in k} for record in run.train()]
    return rows, [p.detach().clone() for p in run.model.parameters()]


@both
def test_weight_0_is_none_bit_for_bit_and_evaluation_knows_nothing_of_it(
    experiment: Callable[..., Experiment], name: str
) -> None:
    none = result(experiment())
    zero = result(experiment(f"auxiliary={name}", "auxiliary.length=3", "auxiliary.weight=0"))
    assert zero[0] == none[0]
    assert all(map(torch.equal, zero[1], none[1]))
    run = experiment(f"auxiliary={name}", "auxiliary.length=3")
    rows, parameters = result(run)
    assert any((a != b).any() for a, b in zip(parameters, none[1], strict=True))
    assert rows[-1]["valid_bpc"] == evaluate(run.model, run.task._held_out["valid"])


@both
@pytest.mark.parametrize("method", [["method=tbptt", "method.length=8"], ["method=artbp", "method.length=6"]])
def test_a_run_is_resumed_bit_for_bit(experiment: Callable[..., Experiment], name: str, method: list[str]) -> None:
    overrides = [f"auxiliary={name}", "auxiliary.length=3", *method]
    rows, parameters = result(experiment(*overrides))
    first, second = experiment(*overrides), experiment(*overrides)
    head = list(first.trainer.run(pause=lambda: first.trainer.progress.segments == 2))
    second.trainer.load_state_dict(first.trainer.state_dict())
    tail, resumed = result(second)
    assert [{k: v for k, v in r.row.items() if "second" not in k} for r in head] + tail == rows
    assert all(map(torch.equal, resumed, parameters))


def test_the_losses_fall_as_they_are_trained(experiment: Callable[..., Experiment]) -> None:
    for name in BUILD:
        run = experiment(f"auxiliary={name}", "auxiliary.length=3", "task.epochs=8", "optimizer.lr=0.03")
        inputs = run.task.window(0, 8)[0]

        def value(run: Experiment = run, inputs: Tensor = inputs) -> float:
            auxiliary: Any = run.trainables["auxiliary"]
            state = run.model.init_state(2)
            least, greatest = auxiliary.places(8)
            losses = [auxiliary.at(a, plain(run.model), state, inputs) for a in range(least, greatest + 1)]
            return torch.stack(losses).mean().item()

        before = value()
        list(run.train())
        assert value() < 0.8 * before, name


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["auxiliary.length=0"], r"auxiliary\.length must be a whole number ≥ 1; got 0"),
        (["auxiliary.anchors=1.5"], r"auxiliary\.anchors must be a whole number ≥ 1; got 1\.5"),
        (["auxiliary.truncate=0"], r"auxiliary\.truncate must be a whole number ≥ 1; got 0"),
        (["auxiliary.weight=-1"], r"auxiliary\.weight must be a number ≥ 0; got -1"),
        (["auxiliary.teacher_forcing=3"], r"auxiliary\.teacher_forcing must be true or false; got 3"),
        (["auxiliary.length=8"], r"auxiliary=reconstruct needs segments of at least 9 steps, and method=tbptt makes"),
    ],
)
def test_bad_settings_are_one_line(experiment: Callable[..., Experiment], overrides: list[str], said: str) -> None:
    with pytest.raises(UserError, match=said):
        experiment("auxiliary=reconstruct", *overrides)


def test_a_task_without_inputs_is_refused(compose: Compose) -> None:
    with pytest.raises(UserError, match=r"auxiliary=predict needs inputs, and this task has none; take auxiliary=none"):
        Experiment(RunConfig.of(compose("task=synthetic", "auxiliary=predict")))
