"""Target propagation: truncated BPTT's gradient at forward states, BPTT's as the springs grow stiff."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from artbp_exp.errors import UserError
from artbp_exp.methods import SegmentMethod
from artbp_exp.methods.base import Method
from artbp_exp.methods.tprop import build
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.run_config import RunConfig
from artbp_exp.tasks.text.evaluation import evaluate
from artbp_exp.training.experiment import Experiment
from artbp_exp.truncation import bptt, tbptt
from tests.cells import STREAMS, half_squares, make_case

Compose = Callable[..., dict[str, Any]]


class Linear(RecurrentModel):
    """h' = W h + x."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        orthogonal, _ = torch.linalg.qr(torch.randn(3, 3, generator=generator, dtype=torch.float64))
        self.weight = nn.Parameter(0.8 * orthogonal)

    def init_state(self, batch_size: int) -> Tensor:
        return self.weight.new_zeros(batch_size, 3)

    def step(self, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        state = inputs + state @ self.weight.t()
        return state, state


def found(
    method: Method, model: RecurrentModel, inputs: Tensor, targets: Tensor, loss: Any
) -> tuple[Any, list[Tensor]]:
    """What came of a pass, and its gradient."""
    model.zero_grad()
    carry, total = method.begin(inputs.shape[1]), 0.0
    for start, draw in method.draws(len(inputs), np.random.default_rng(0)):
        stop = start + draw.length
        value, carry = method.advance(
            carry, draw, inputs[start:stop], targets[start:stop], loss, ends=stop == len(inputs)
        )
        total += value
    return (total, carry), [p.grad.clone() for p in model.parameters()]


def relaxed(model: RecurrentModel, engine: str = "plain", **settings: Any) -> Method:
    return build(model=model, engine=engine, **settings)


def segments(model: RecurrentModel, length: int | None) -> Method:
    return SegmentMethod(model=model, scheme=tbptt.build(length=length) if length else bptt.build())


def error(gradients: list[Tensor], wanted: list[Tensor]) -> float:
    off, size = (torch.cat([p.flatten() for p in parts]) for parts in (gradients, wanted))
    return float((off - size).norm() / size.norm())


@pytest.fixture
def linear() -> tuple[RecurrentModel, Tensor, Tensor, Any]:
    """Six blocks of five steps."""
    generator = torch.Generator().manual_seed(1)
    inputs, targets = (torch.randn(30, STREAMS, 3, generator=generator, dtype=torch.float64) for _ in range(2))
    return Linear(), inputs + 0.5, targets, half_squares


def test_the_error_falls_as_one_over_the_strength(linear: tuple[Any, ...]) -> None:
    """The law of six blocks of five steps of a linear network, the states solved for."""
    full = found(segments(linear[0], None), *linear)[1]
    solved = {"length": 5, "blocks": 6, "state_steps": 150, "rounds": 1}
    errors = [error(found(relaxed(linear[0], strength=k, **solved), *linear)[1], full) for k in (1e2, 1e3, 1e4)]
    assert errors[0] < error(found(segments(linear[0], 5), *linear)[1], full)
    assert errors[0] / errors[1] == pytest.approx(10, rel=0.3)
    assert errors[1] / errors[2] == pytest.approx(10, rel=0.03)


def test_with_multipliers_the_gaps_close_and_so_does_the_error(linear: tuple[Any, ...]) -> None:
    full = found(segments(linear[0], None), *linear)[1]
    common = {"length": 5, "blocks": 6, "strength": 1e3, "state_steps": 100}
    errors = [
        error(found(relaxed(linear[0], solver="admm", rounds=rounds, **common), *linear)[1], full)
        for rounds in (1, 2, 3)
    ]
    penalty = error(found(relaxed(linear[0], rounds=1, **common), *linear)[1], full)
    assert errors[0] == penalty
    assert errors[1] < 0.05 * errors[0]
    assert errors[2] < 0.05 * errors[1]


def test_joint_steps_give_the_mean_gradient_on_the_way(linear: tuple[Any, ...]) -> None:
    common = {"length": 5, "blocks": 6, "strength": 1e2, "rounds": 1}
    on_the_way = [found(relaxed(linear[0], state_steps=n, **common), *linear)[1][0] for n in range(3)]
    (joint,) = found(relaxed(linear[0], solver="alm", state_steps=3, **common), *linear)[1]
    torch.testing.assert_close(joint, torch.stack(on_the_way).mean(0), rtol=1e-12, atol=0)


@pytest.mark.parametrize("solver", ["penalty", "admm", "alm"])
@pytest.mark.parametrize(
    ("name", "engine"), [("rnn", "plain"), ("lstm", "fused"), ("gru", "vendor"), ("nested", "plain")]
)
def test_at_forward_states_it_is_truncated_bptt(name: str, engine: str, solver: str) -> None:
    case = make_case(name, 11)
    data = (case.model, case.inputs, case.targets, case.loss)
    wanted = found(segments(case.model, 3), *data)
    # windows of two blocks; the last has a whole block and a shorter one
    here = found(relaxed(case.model, engine, solver=solver, length=3, blocks=2, state_steps=0), *data)
    assert here[0][0] == pytest.approx(wanted[0][0], rel=1e-13)
    torch.testing.assert_close(here[0][1], wanted[0][1], rtol=1e-12, atol=1e-12)
    assert error(here[1], wanted[1]) < 1e-12


@pytest.mark.parametrize(
    ("name", "engine"), [("lstm", "fused"), ("gru", "vendor"), ("linear", "plain"), ("nested", "plain")]
)
def test_every_engine_and_a_shorter_last_block(name: str, engine: str) -> None:
    """One spring, λ → ∞: full BPTT, through two blocks of which the second is shorter."""
    case = make_case(name, 7)
    data = (case.model, case.inputs, case.targets, case.loss)
    full = found(segments(case.model, None), *data)[1]
    here = found(relaxed(case.model, engine, length=4, blocks=2, strength=1e7, state_steps=60), *data)
    assert error(here[1], full) < 1e-5
    (total, last), wanted = here[0], found(segments(case.model, None), *data)[0]
    assert total == pytest.approx(wanted[0], rel=1e-13)  # of the forward pass, and so is the carried state
    torch.testing.assert_close(last, wanted[1], rtol=1e-12, atol=1e-12)


@pytest.fixture
def experiment(compose: Compose, tmp_path: Path) -> Callable[..., Experiment]:
    for part in ("train", "valid", "test"):
        (tmp_path / f"{part}.txt").write_text("abacabadabacabaabacabcdab" * 3)
    small = ["task=ptb", "task.corpus=own", f"task.data_dir={tmp_path}", "task.batch_size=2", "task.epochs=1"]
    small += ["model.hidden_size=3", "method=tprop", "method.length=3", "method.blocks=2", "optimizer.lr=0.01"]
    return lambda *overrides: Experiment(RunConfig.of(compose(*small, *overrides)))


def rows(run: Experiment) -> list[dict[str, Any]]:
    return [{k: v for k, v in record.row.items() if "second" not in k} for record in run.train()]


def test_a_run_is_resumed_bit_for_bit_and_evaluated_without_relaxed_states(
    experiment: Callable[..., Experiment],
) -> None:
    run = experiment("method.solver=admm")
    whole = rows(run)
    assert run.trainer.state_dict()["method"] == {}  # no state and no multiplier outlives an update
    assert whole[-1]["mean_length"] == pytest.approx(6, rel=0.1)
    assert whole[-1]["valid_bpc"] == evaluate(run.model, run.task._held_out["valid"])
    first, second = experiment("method.solver=admm"), experiment("method.solver=admm")
    head = list(first.trainer.run(pause=lambda: first.trainer.progress.segments == 2))
    second.trainer.load_state_dict(first.trainer.state_dict())
    assert [{k: v for k, v in r.row.items() if "second" not in k} for r in head] + rows(second) == whole
    assert all(map(torch.equal, second.model.parameters(), run.model.parameters()))


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("method.solver=newton", r"method\.solver=newton is not known; .*penalty"),
        ("method.strength=0", r"method\.strength must be a number > 0; got 0"),
        ("method.blocks=0", r"method\.blocks must be a whole number ≥ 1; got 0"),
        ("method.state_steps=0.5", r"method\.state_steps must be a whole number ≥ 0; got 0\.5"),
        ("method.state_rate=-1", r"method\.state_rate must be a number > 0; got -1"),
        ("method.rounds=0", r"method\.rounds must be a whole number ≥ 1; got 0"),
        ("method.multiplier_rate=0", r"method\.multiplier_rate must be a number > 0; got 0"),
        ("auxiliary=predict", r"method=tprop has no auxiliary=predict; take auxiliary=none, or method=artbp"),
    ],
)
def test_what_does_not_fit_is_one_line(experiment: Callable[..., Experiment], override: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        experiment(override)
