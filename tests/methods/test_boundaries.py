"""What stands at a cut: exactly unbiased as a control variate, temporal differences of gradients at a certain cut."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from torch import Tensor

from artbp_exp import registry
from artbp_exp.autograd.state import floating
from artbp_exp.errors import UserError
from artbp_exp.methods import Boundary, SegmentMethod, baseline
from artbp_exp.run_config import RunConfig
from artbp_exp.training.experiment import Experiment
from artbp_exp.training.gradient import TaskLoop, gradient
from artbp_exp.truncation import Segment
from artbp_exp.verification import report
from artbp_exp.verification.enumeration import BIAS_TOLERANCE, VARIANCE_TOLERANCE, Exact, Subject, certify
from artbp_exp.verification.oracle import full_bptt
from artbp_exp.verification.small import randomised, small_task
from tests.gradients import relative_errors

NAMES = [name for name in registry.names("boundary") if name != "none"]
STEPS = 5
ARTBP = {"name": "artbp", "length": 2.5, "alpha": 4}
SEGMENT = 4

every_boundary = pytest.mark.parametrize("name", NAMES)


def method_of(
    name: str,
    model: Any,
    task: Any,
    scheme: dict[str, Any],
    *,
    engine: str = "auto",
    random: bool = True,
    context: str = "none",
) -> tuple[SegmentMethod, Boundary]:
    """A segment method with a boundary, whose head is random or has learnt nothing."""
    offered = {"model": model, "task": task, "generator": torch.Generator().manual_seed(2)}
    head: Boundary = registry.build("boundary", {"name": name, "context": context}, offered=offered).double()
    if random:
        randomised(head)
    built = registry.build("method", scheme)
    return SegmentMethod(model=model, scheme=built, engine=engine, boundary=head), head


def certified(name: str, cell: str = "rnn", scheme: dict[str, Any] = ARTBP, **settings: Any) -> Exact:
    model, task = small_task(cell, STEPS)
    method, head = method_of(name, model, task, scheme, **settings)
    return certify(Subject(model=model, task=task, method=method, boundary=head))


@every_boundary
@pytest.mark.parametrize("memory", [None, 2])
@pytest.mark.parametrize(
    ("cell", "engine"), [("rnn", "plain"), ("rnn", "fused"), ("lstm", "plain"), ("linear", "auto")]
)
def test_as_control_variate_it_is_exactly_unbiased_whatever_it_says(
    name: str, cell: str, engine: str, memory: int | None
) -> None:
    found = certified(name, cell, ARTBP | {"memory": memory}, engine=engine)
    assert max(found.bias.values()) < BIAS_TOLERANCE
    assert found.variance_error is not None
    assert found.variance_error < VARIANCE_TOLERANCE


@every_boundary
@pytest.mark.parametrize("cell", ["rnn", "linear"])
def test_so_it_is_when_it_sees_the_next_input(name: str, cell: str) -> None:
    found, blind = (certified(name, cell, ARTBP | {"memory": 2}, context=context) for context in ("input", "none"))
    assert found.certified
    assert (found.variance != pytest.approx(blind.variance, rel=1e-3)) == (cell == "rnn")  # "linear" has no inputs


def test_the_next_input_is_that_of_the_step_after(monkeypatch: pytest.MonkeyPatch) -> None:
    model, task = small_task("rnn", 6)
    method, head = method_of("dni", model, task, {"name": "tbptt", "length": 2}, context="input")
    seen: dict[str, list[Tensor]] = {"first": [], "last": []}

    def learn(place: Any, arrived: Any, losses: Any, last: Any) -> None:
        seen["first"].append(place[1])
        seen["last"] += [] if last is None else [last[1]]

    monkeypatch.setattr(head, "learn", learn)
    gradient(TaskLoop(task=task, method=method, trainables=model), method.scheme.cut([2, 2, 2]))
    inputs = model.encode(task.window(0, 6)[0])
    assert torch.equal(torch.stack(seen["first"]), inputs[[0, 2, 4]])
    assert torch.equal(torch.stack(seen["last"]), inputs[[2, 4]])


@every_boundary
def test_a_random_head_changes_the_variance_and_an_untrained_one_nothing(name: str) -> None:
    model, task = small_task("rnn", STEPS)
    alone = SegmentMethod(model=model, scheme=registry.build("method", ARTBP))
    without = certify(Subject(model=model, task=task, method=alone))
    untrained, random = certified(name, random=False), certified(name)
    assert untrained.certified
    assert untrained.variance == pytest.approx(without.variance, rel=1e-12)
    assert random.variance > 1.01 * without.variance


def test_with_the_true_gradient_there_is_no_variance(monkeypatch: pytest.MonkeyPatch) -> None:
    model, task = small_task("lstm", STEPS)
    method, head = method_of("dni", model, task, ARTBP)
    full = full_bptt(model, task)
    known = {
        tuple(floating(state)[0].flatten().tolist()): [leaf * leaf.shape[0] for leaf in floating(arriving)]
        for state, arriving in zip(full.states[1:], full.arriving, strict=True)
    }

    def guess(state: Any) -> list[Tensor]:
        first = floating(state)[0].view(-1, task.batch_size, 3)
        found = [known[tuple(row.flatten().tolist())] for row in first]
        return [torch.cat(parts) for parts in zip(*found, strict=True)]

    monkeypatch.setattr(head, "guess", guess)
    found = certify(Subject(model=model, task=task, method=method))
    assert max(found.bias.values()) < BIAS_TOLERANCE
    assert found.variance < 1e-24


@every_boundary
def test_at_the_cuts_alone_it_biases_artbp(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baseline, "where_it_goes_on", lambda *_: None)
    assert max(certified(name).bias.values()) > 1e-3


@every_boundary
def test_a_certain_cut_takes_its_bias(name: str) -> None:
    assert "a cut that is certain" in str(certified(name, scheme={"name": "tbptt", "length": 3}).reason)


@every_boundary
@pytest.mark.parametrize("scheme", [ARTBP, {"name": "tbptt", "length": 3}], ids=lambda scheme: scheme["name"])
def test_it_is_zero_where_the_data_end(name: str, scheme: dict[str, Any]) -> None:
    model, task = small_task("rnn", STEPS)
    method, _ = method_of(name, model, task, scheme)
    whole = [replace(method.scheme.segment(STEPS), factors=torch.ones(STEPS - 1).numpy())]
    wanted = full_bptt(model, task).gradient

    def found(ends: bool) -> float:
        class Told(TaskLoop):
            def advance(self, start: int, draw: Any, carry: Any) -> tuple[float, Any]:
                data = task.window(start, start + draw.length)
                return method.advance(carry, draw, *data, task.loss, ends=ends)

        loop = Told(task=task, method=method, trainables=model)
        return max(relative_errors({k: gradient(loop, whole).gradient[k] for k in wanted}, wanted).values())

    assert found(True) < 1e-12
    assert found(False) > 1e-3  # the mistake: a guess of losses that never come


def one_segment(name: str, *, ends: bool = False) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The gradients of model and head from the first segment of truncated BPTT: production, and an oracle."""
    model, task = small_task("rnn", 2 * SEGMENT)
    method, head = method_of(name, model, task, {"name": "tbptt", "length": SEGMENT})
    inputs, targets = task.window(0, SEGMENT)
    start = torch.randn(2, 3, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
    method.advance(start, method.scheme.segment(SEGMENT), inputs, targets, task.loss, ends=ends)
    both: dict[str, Tensor] = dict(model.named_parameters()) | {f"head.{n}": p for n, p in head.named_parameters()}
    found = {key: parameter.grad.clone() for key, parameter in both.items() if parameter.grad is not None}

    begun = start.clone().requires_grad_()
    state, losses = begun, torch.zeros(2, dtype=torch.float64)
    for t in range(SEGMENT):
        _, state = model.step(model.encode(inputs[t : t + 1])[0], state)
        logits = model.decode(state[None])[0]
        losses = losses + torch.nn.functional.cross_entropy(logits, targets[t], reduction="none")
    p = dict(head.named_parameters())

    def mlp(x: Tensor) -> Tensor:
        return torch.tanh(x @ p["enter"].T + p["enter_bias"]) @ p["leave"].T + p["leave_bias"]

    stop = state.detach().requires_grad_()
    if name == "dni":
        b = 0.1 * mlp(stop).detach()
    else:
        (b,) = torch.autograd.grad(mlp(stop).sum(), stop)
    total = losses.sum() + (0.0 if ends else (b * state).sum())
    names, parameters = zip(*model.named_parameters(), strict=True)
    arrived, *of_model = torch.autograd.grad(total, [begun, *parameters])
    if name == "dni":
        psi = 0.5 * (0.1 * mlp(start) - arrived).square().sum(1).mean()
    else:
        target = (losses + (0.0 if ends else 0.9 * mlp(stop)[:, 0])).detach()
        psi = 0.5 * (mlp(start)[:, 0] - target).square().mean()
    of_head = torch.autograd.grad(psi, list(p.values()))
    wanted = {n: g / 2 for n, g in zip(names, of_model, strict=True)}  # the loss is a mean over two streams
    return found, wanted | {f"head.{n}": g for n, g in zip(p, of_head, strict=True)}


def off(name: str, **settings: Any) -> float:
    return max(relative_errors(*one_segment(name, **settings)).values())


@every_boundary
@pytest.mark.parametrize("ends", [False, True])
def test_model_and_head_have_the_gradients_of_an_oracle(name: str, ends: bool) -> None:
    assert off(name, ends=ends) < 1e-12


def root(scalar: Tensor) -> tuple[Tensor, Tensor]:
    return scalar, torch.ones_like(scalar)


def bootstrap_with_its_history(boundary: Boundary, last: Any, ends: Any) -> list[tuple[Tensor, Tensor]]:
    guess = 0.1 * boundary(last)  # on the tape: both ψ and θ get a gradient through b(s_end)
    return [root((guess * last).sum() / len(last))]


def loss_of_the_head_on_the_tape(boundary: Boundary, last: Any, ends: Any) -> list[tuple[Tensor, Tensor]]:
    right: list[tuple[Tensor, Tensor]] = UNBROKEN(boundary, last, ends)
    return [*right, root(boundary(last).square().sum())]


UNBROKEN = baseline.at_the_end


@pytest.mark.parametrize("broken", [bootstrap_with_its_history, loss_of_the_head_on_the_tape])
def test_published_mistakes_at_the_cut_are_refuted(broken: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baseline, "at_the_end", broken)
    assert off("dni") > 1e-3


def test_a_gradient_through_the_target_is_refuted(monkeypatch: pytest.MonkeyPatch) -> None:
    def learn(self: Any, state: Any, arrived: list[Tensor], losses: Any, last: Any) -> None:
        target = losses + 0.9 * self(last)[:, 0]
        (0.5 * (self(state)[:, 0] - target).square().mean()).backward()

    monkeypatch.setattr(registry.builder("boundary", "critic").__globals__["Critic"], "learn", learn)
    assert off("critic") > 1e-3


@every_boundary
def test_a_target_from_new_parameters_is_refuted(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mistake: an update of θ, and only then the segment that ψ learns from."""
    right = SegmentMethod.advance

    def late(self: Any, carry: Any, *rest: Any, **more: Any) -> Any:
        with torch.no_grad():
            for parameter in self._model.parameters():
                parameter += 0.1
        found = right(self, carry, *rest, **more)
        with torch.no_grad():
            for parameter in self._model.parameters():
                parameter -= 0.1
        return found

    monkeypatch.setattr(SegmentMethod, "advance", late)
    found, wanted = one_segment(name)
    heads = [{k: g for k, g in part.items() if k.startswith("head.")} for part in (found, wanted)]
    assert max(relative_errors(*heads).values()) > 1e-3


# --- within a run ------------------------------------------------------------------------------------------------


@pytest.fixture
def experiment(compose: Callable[..., dict[str, Any]], own_corpus: Path) -> Callable[..., Experiment]:
    """A run on a few symbols, in float64."""
    common = ["task=ptb", "task.corpus=own", "task.batch_size=40", "task.epochs=1", "model.hidden_size=3", "model=rnn"]

    def build(*overrides: str) -> Experiment:
        data = f"task.data_dir={own_corpus}"
        return Experiment(RunConfig.of(compose(*common, data, "precision=float64", *overrides)))

    return build


@every_boundary
def test_an_untrained_head_is_truncated_bptt(name: str, experiment: Callable[..., Experiment]) -> None:
    plain, run = (experiment("method=tbptt", "method.length=3", f"boundary={b}") for b in ("none", name))
    draws = [Segment(length=3, factors=torch.ones(2).numpy())] * 4
    wanted, found = (gradient(each.loop, draws).gradient for each in (plain, run))
    assert {n for n in found if n.startswith("boundary.")} == set(found) - set(wanted)
    for parameter, g in wanted.items():
        assert torch.equal(found[parameter], g), parameter


@pytest.mark.parametrize("clip", ["null", "1e-3"])
def test_the_head_has_its_own_optimiser_and_does_not_touch_the_models(
    experiment: Callable[..., Experiment], clip: str
) -> None:
    common = ["method=tbptt", "method.length=3", f"optimizer.clip={clip}"]
    plain, slow, fast = (
        experiment(*common, *more) for more in ((), ("boundary=dni",), ("boundary=dni", "boundary.lr=0.1"))
    )
    for run in (plain, slow, fast):
        next(run.trainer.run(pause=lambda: True), None)  # one update, of a head that guesses zero
    for name, parameter in plain.loop.parameters.items():
        assert torch.equal(slow.loop.parameters[name], parameter)
    moved = [float(run.loop.parameters["boundary.leave_bias"].detach().abs().max()) for run in (slow, fast)]
    assert moved == pytest.approx([1e-3, 0.1], rel=1e-3)


def rows(run: Experiment, pause: Callable[[], bool] = lambda: False) -> list[dict[str, Any]]:
    return [{k: v for k, v in r.row.items() if "second" not in k} for r in run.trainer.run(pause=pause)]


@every_boundary
@pytest.mark.parametrize(
    "method",
    [("artbp", "rnn", "none"), ("artbp", "lstm", "none"), ("artbp", "rnn", "input"), ("tbptt", "rnn", "input")],
    ids=" ".join,
)
def test_a_run_is_resumed_bit_for_bit(
    name: str, method: tuple[str, str, str], experiment: Callable[..., Experiment]
) -> None:
    overrides = [f"method={method[0]}", "method.length=8", f"model={method[1]}", f"boundary={name}", "boundary.lr=0.01"]
    overrides.append(f"boundary.context={method[2]}")
    whole, first, second = (experiment(*overrides) for _ in range(3))
    wanted = rows(whole)
    before = rows(first, pause=lambda: first.trainer.progress.segments >= 5)
    second.trainer.load_state_dict(first.trainer.state_dict())
    assert before + rows(second) == wanted
    for key, parameter in whole.loop.parameters.items():
        assert torch.equal(second.loop.parameters[key], parameter), key


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["method=bptt"],
            "method=bptt never cuts, so no gradient is cut off for boundary=dni to stand for; take bound",
        ),
        (["method=tbptt", "task.carry_state=false"], r"task\.carry_state=false resets the state at cuts"),
        (["boundary.hidden_size=0"], r"boundary\.hidden_size must be a whole number ≥ 1; got 0"),
        (["boundary.context=label"], r"boundary\.context=label is not known; valid: input, none"),
        (["boundary.scale=0"], r"boundary\.scale must be a number > 0; got 0"),
        (["boundary.lr=-1"], r"boundary\.lr must be a number > 0; got -1"),
        (["boundary=critic", "boundary.discount=1.5"], r"boundary\.discount must be at most 1; got 1\.5"),
        (
            ["engine=fused", "model=lstm"],
            r"engine=fused is not available for this model \(LSTM\) with a boundary and this method",
        ),
        (["engine=vendor"], r"engine=vendor is not available for this model \(RNN\) with a boundary"),
    ],
)
def test_what_does_not_fit_is_one_line(
    experiment: Callable[..., Experiment], overrides: list[str], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        experiment("method=artbp", "boundary=dni", *overrides)


@every_boundary
@pytest.mark.parametrize("method", ["artbp", "tbptt"])
def test_artbp_verify_tries_an_untrained_and_a_random_head(
    name: str, method: str, configure: Callable[..., RunConfig], own_corpus: Path, tmp_path: Path
) -> None:
    data = ["task=ptb", "task.corpus=own", f"task.data_dir={own_corpus}", "task.batch_size=2", "model=rnn"]
    config = configure(*data, "model.hidden_size=3", f"method={method}", "method.length=3", f"boundary={name}")
    own = {"steps": 4, "hidden_size": 3, "method_length": 2, "streams": 2, "streams_at_full_size": 2}
    certified = report.one(config, own | {"draws": 0, "seconds": None, "stretch": None}, tmp_path / "verify.csv")
    table = pd.read_csv(tmp_path / "verify.csv")
    assert {"exact bias", "exact bias, random head"} < set(table["check"])
    assert certified == (method == "artbp") == ("variance formula, random head" in set(table["check"]))
    assert certified or set(table["reason"]) == {"a cut that is certain cannot be compensated"}
