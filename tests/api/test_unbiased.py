"""Over every way to cut, a user's own loop gets the full gradient on average: exactly, for every kind of module."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import artbp_exp as artbp
from tests.api.modules import BATCH, MODULES, accumulate, data, half_squares, make

STEPS = 7
X, Y = data(STEPS)


def every(k: int) -> artbp.Scheme:
    """A hazard that is 0 but after every k-th step."""
    return artbp.Scheme(name="every", length=None, hazard=lambda lag: np.where(lag % k == 0, 0.6, 0.0))


SCHEMES = {
    "paper": lambda: artbp.artbp(length=2.5, alpha=4),
    "constant": lambda: artbp.artbp(length=2, schedule="constant"),
    "every 2": lambda: every(2),
    "every 3": lambda: every(3),
    "bptt": lambda: artbp.bptt(),
    "paper, every 2": lambda: artbp.artbp(length=4, alpha=4, every=2),
    "paper, in pieces": lambda: artbp.artbp(length=2.5, alpha=4, memory=2),
    "paper, every 2, in pieces of 3": lambda: artbp.artbp(length=4, alpha=4, every=2, memory=3),
}


def full_gradient(model: Any) -> Tensor:
    """Full BPTT by plain autograd, without anything of this project."""
    model.zero_grad()
    if isinstance(model, nn.Module) and hasattr(model, "body"):
        turn = model.body.batch_first
        outputs = model.body(X.transpose(0, 1) if turn else X)[0]
        outputs = model.read(outputs.transpose(0, 1) if turn else outputs)
    else:
        state, rows = model.start(BATCH), []
        for x in X:
            row, state = model.step(x, state)
            rows.append(row)
        outputs = torch.stack(rows)
    half_squares(outputs, Y).backward()
    return torch.cat([p.grad.flatten() for p in model.parameters()])


def expected(model: Any, scheme: artbp.Scheme) -> Tensor:
    mean = torch.zeros(1, dtype=torch.float64)
    for lengths, probability in artbp.enumerate_cuts(scheme, STEPS):
        if probability > 0:
            mean = mean + probability * accumulate(model, [scheme.segment(n) for n in lengths], X, Y)
    return mean


def error(found: Tensor, wanted: Tensor) -> float:
    return float((found - wanted).norm() / wanted.norm())


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("module", MODULES)
def test_the_mean_over_all_cuts_is_the_full_gradient(module: str, scheme: str) -> None:
    model = make(module)
    assert error(expected(model, SCHEMES[scheme]()), full_gradient(model)) < 1e-12


@pytest.mark.parametrize("module", ["own", "LSTM"])
def test_without_reweighting_it_is_not(module: str) -> None:
    model = make(module)
    biased = artbp.artbp(length=2.5, alpha=4, reweight=False)
    for scheme in (biased, artbp.tbptt(length=2)):
        assert error(expected(model, scheme), full_gradient(model)) > 0.01


def test_a_loop_by_hand_and_unroll_agree_to_the_last_bit() -> None:
    scheme = artbp.artbp(length=2.5, alpha=4)
    segments = [scheme.segment(3), scheme.segment(4)]
    assert torch.equal(accumulate(make("own"), segments, X, Y), accumulate(make("by hand"), segments, X, Y))


@pytest.mark.parametrize("module", MODULES)
def test_single_precision_is_near_double(module: str) -> None:
    segments = [artbp.artbp(length=2.5, alpha=4).segment(STEPS)]
    single = accumulate(make(module, dtype=torch.float32), segments, X.float(), Y.float())
    assert error(single.double(), accumulate(make(module), segments, X, Y)) < 1e-5


@pytest.mark.parametrize("module", ["own", "by hand", "LSTM", "GRU"])
def test_bfloat16_autocast_is_near_single_precision(module: str) -> None:
    if module in ("LSTM", "GRU") and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        pytest.skip("torch's LSTM has no bfloat16 on this processor")
    scheme = artbp.artbp(length=2.5, alpha=4)
    segments = [scheme.segment(n) for n in (2, 5)]
    model = make(module, dtype=torch.float32)
    x, y = X.float(), Y.float()
    wanted = accumulate(model, segments, x, y)
    found = accumulate(model, segments, x, y, dtype=torch.bfloat16)
    assert found.dtype == torch.float32
    # bfloat16 keeps 8 bits: about 0.4 % a product, and some of them follow upon one another
    assert 0 < error(found, wanted) < 0.05


def test_a_grad_scaler_scales_the_loss_as_usual() -> None:
    model, segment = make("own", dtype=torch.float32), artbp.artbp(length=2.5, alpha=4).segment(STEPS)
    x, y = X.float(), Y.float()
    wanted = accumulate(model, [segment], x, y)
    optimizer, scaler = torch.optim.SGD(model.parameters(), lr=0.1), torch.amp.GradScaler("cpu", init_scale=2.0**7)
    optimizer.zero_grad()
    with torch.autocast("cpu", dtype=torch.float16):
        loss = half_squares(model(x, model.start(BATCH), segment)[0].float(), y)
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    assert error(torch.cat([p.grad.flatten() for p in model.parameters()]), wanted) < 0.01
    scaler.step(optimizer)


@pytest.mark.parametrize("module", ["own", "LSTM"])
def test_micro_batches_add_up_to_the_batch(module: str) -> None:
    """Gradient accumulation over streams: the same cuts for each part, the parts' mean for the gradient."""
    scheme, (x, y) = artbp.artbp(length=2.5, alpha=4), data(STEPS, 4)
    segments, model = [scheme.segment(3), scheme.segment(4)], make(module)
    wanted = accumulate(model, segments, x, y)
    parts = [accumulate(model, segments, x[:, part], y[:, part]) for part in (slice(2), slice(2, None))]
    assert error(sum(parts) / 2, wanted) < 1e-14


@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW, torch.optim.RMSprop])
def test_any_optimizer_takes_the_gradient(optimizer: Any) -> None:
    model, scheme = make("LSTM"), artbp.artbp(length=2.5, alpha=4)
    steps = optimizer(model.parameters(), lr=0.01)
    before = [p.detach().clone() for p in model.parameters()]
    accumulate(model, [scheme.segment(3), scheme.segment(4)], X, Y)
    steps.step()
    assert all((p != q).any() for p, q in zip(model.parameters(), before, strict=True))


def test_lbfgs_may_run_a_segment_several_times() -> None:
    model, segment = make("GRU"), artbp.artbp(length=2.5, alpha=4).segment(STEPS)
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=3)

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = half_squares(model(X, None, segment)[0], Y)
        loss.backward()
        return loss

    first = optimizer.step(closure).item()
    assert closure().item() < first
