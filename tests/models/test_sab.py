"""Sparse attentive backtracking: its reductions, an oracle of its equations, and the mistakes of published code."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from artbp_exp import registry
from artbp_exp.errors import UserError
from artbp_exp.methods import SegmentMethod
from artbp_exp.models import sab
from artbp_exp.run_config import RunConfig
from artbp_exp.training.experiment import Experiment
from artbp_exp.verification.enumeration import certify
from artbp_exp.verification.small import small, small_task
from tests.cells import STREAMS, VOCABULARY, cross_entropy
from tests.gradients import relative_errors
from tests.training.test_resume import check

STEPS, HIDDEN = 9, 3


def model_of(**settings: Any) -> sab.SparseAttention:
    settings = {"name": "sab", "hidden_size": HIDDEN} | settings
    generator = torch.Generator().manual_seed(3)
    model: sab.SparseAttention = registry.build("model", settings, vocabulary=VOCABULARY, generator=generator).double()
    return model


def data() -> tuple[Tensor, Tensor]:
    symbols = torch.randint(VOCABULARY, (STEPS + 1, STREAMS), generator=torch.Generator().manual_seed(4))
    return symbols[:-1], symbols[1:]


def gradients(model: Any, method: dict[str, Any]) -> dict[str, Tensor]:
    """Of a whole sequence, by production code; parameters that take part in nothing are left out."""
    model.zero_grad(set_to_none=True)
    made = SegmentMethod(model=model, scheme=registry.build("method", method), engine="plain")
    carry, start = made.begin(STREAMS), 0
    for segment in made.scheme.cut(range_of(method.get("length", STEPS))):
        inputs, targets = (part[start : start + segment.length] for part in data())
        start += segment.length
        _, carry = made.advance(carry, segment, inputs, targets, cross_entropy, ends=start == STEPS)
    grads = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    return {name.removeprefix("cell."): g for name, g in grads.items() if g.any()}


def range_of(length: int) -> list[int]:
    return [length] * (STEPS // length) + ([STEPS % length] if STEPS % length else [])


def oracle(model: sab.SparseAttention, *, truncate: int, top: int, every: int) -> dict[str, Tensor]:
    """The equations of an LSTM with attention, step by step, entry by entry; every stream alone."""
    p = dict(model.named_parameters())
    total = torch.zeros((), dtype=torch.float64)
    for stream in range(STREAMS):
        h, c = torch.zeros(HIDDEN, dtype=torch.float64), torch.zeros(HIDDEN, dtype=torch.float64)
        memory: list[Tensor] = []
        for t, (x, y) in enumerate(zip(*(part[:, stream].tolist() for part in data()), strict=True)):
            if t % truncate == 0:
                h, c = h.detach(), c.detach()
            i, f, g, o = (p["cell.table"][x] + p["cell.bias"] + p["cell.recurrent"] @ h).chunk(4)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
            summary = torch.zeros_like(h)
            if memory:
                scores = [p["query"] @ torch.tanh(torch.cat([h, m])) for m in memory]
                ranked = sorted(scores, key=Tensor.item, reverse=True)
                least = ranked[top] if len(memory) > top else -p["query"].abs().sum()
                kept = [torch.relu(score - least) for score in scores]
                summary = sum(a * m for a, m in zip(kept, memory, strict=True)) / sum(kept)
            h = h + summary
            if (t + 1) % every == 0:
                memory.append(h)
            logits = p["cell.readout"] @ h + p["recalled"] @ summary + p["cell.readout_bias"]
            total = total - torch.log_softmax(logits, 0)[y] / STREAMS
    found = torch.autograd.grad(total, list(p.values()))
    return {name.removeprefix("cell."): g for name, g in zip(p, found, strict=True)}


@pytest.mark.parametrize(("truncate", "top", "every"), [(STEPS, 2, 1), (STEPS, 3, 2), (4, 2, 1), (1, 2, 2), (3, 9, 1)])
def test_the_gradient_is_that_of_the_equations(truncate: int, top: int, every: int) -> None:
    """With `truncate` ≥ T it is full BPTT of the attentive model."""
    settings = {"truncate": truncate, "top": top, "every": every}
    model = model_of(**settings)
    wanted = oracle(model, **settings)
    assert max(relative_errors(gradients(model, {"name": "bptt"}), wanted).values()) < 1e-12
    assert max(relative_errors(gradients(model, {"name": "bptt", "memory": 4}), wanted).values()) < 1e-12


@pytest.mark.parametrize("cell", sab.CELLS)
@pytest.mark.parametrize("truncate", [1, 4, STEPS])
def test_without_attention_it_is_truncated_bptt_of_the_cell(cell: str, truncate: int) -> None:
    model = model_of(cell=cell, truncate=truncate, top=0)
    found = gradients(model, {"name": "bptt"})
    wanted = gradients(model.cell, {"name": "tbptt", "length": truncate})
    assert max(relative_errors(found, wanted).values()) < 1e-12


def attended(model: sab.SparseAttention, entries: int) -> Tensor:
    """Weights of the entries of a memory whose every entry is a unit vector."""
    memory = torch.eye(entries, dtype=torch.float64)[None]
    model.query = torch.nn.Parameter(torch.linspace(-1, 1, 2 * entries, dtype=torch.float64))
    scores = torch.tanh(memory) @ model.query[entries:]
    return model._attend(torch.zeros(1, dtype=torch.float64), memory, scores)[0]


@pytest.mark.parametrize(("entries", "top"), [(1, 1), (2, 5), (5, 5), (6, 5), (8, 3)])
def test_as_many_as_top_survive_and_the_weights_sum_to_one(entries: int, top: int) -> None:
    """Published code lets top − 1 survive, and returns raw scores while the memory is shorter than top."""
    weights = attended(model_of(top=top), entries)
    assert int((weights > 0).sum()) == min(entries, top)
    assert weights.sum().item() == pytest.approx(1)
    assert (weights >= 0).all()


def test_equal_scores_do_not_divide_by_zero() -> None:
    model = model_of(top=1)
    memory = torch.ones(1, 4, HIDDEN, dtype=torch.float64, requires_grad=True)
    summary = model._attend(torch.zeros(1, dtype=torch.float64), memory, torch.zeros(1, 4, dtype=torch.float64))
    summary.sum().backward()
    assert summary.isfinite().all()
    assert memory.grad is not None
    assert memory.grad.isfinite().all()


def off(monkeypatch: pytest.MonkeyPatch, broken: Callable[..., Any]) -> float:
    settings = {"truncate": 4, "top": 2, "every": 1}
    model = model_of(**settings)
    wanted = oracle(model, **settings)
    monkeypatch.setattr(sab.SparseAttention, "_attend", broken)
    found = gradients(model, {"name": "bptt"})
    return max(float((found.get(name, 0 * g) - g).norm() / g.norm()) for name, g in wanted.items())


RIGHT = sab.SparseAttention._attend


def detached_memory(self: Any, ours: Tensor, memory: Tensor, scores: Tensor) -> Tensor:
    return RIGHT(self, ours, memory.detach(), scores.detach())


def one_survivor_less(self: Any, ours: Tensor, memory: Tensor, scores: Tensor) -> Tensor:
    self._top -= 1
    try:
        return RIGHT(self, ours, memory, scores)
    finally:
        self._top += 1


def raw_while_short(self: Any, ours: Tensor, memory: Tensor, scores: Tensor) -> Tensor:
    if memory.shape[1] > self._top:
        return RIGHT(self, ours, memory, scores)
    return ((ours[:, None] + scores)[..., None] * memory).sum(1)


@pytest.mark.parametrize("broken", [detached_memory, one_survivor_less, raw_while_short])
def test_published_mistakes_are_refuted(broken: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    assert off(monkeypatch, broken) > 1e-2


def test_a_detached_memory_lets_nothing_back_to_an_old_step() -> None:
    """What attention is for: the loss of the last step reaches an input beyond the truncation."""
    model = model_of(truncate=2, top=3)
    row = model.encode(data()[0]).detach().requires_grad_()
    state: Any = model.init_state(STREAMS)
    for t in range(STEPS):
        output, state = model.step(row[t], state)
    model.decode(output[None]).square().sum().backward()
    assert row.grad is not None
    assert bool(row.grad[:3].any())


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"truncate": 0}, r"model\.truncate must be a whole number ≥ 1; got 0"),
        ({"top": -1}, r"model\.top must be a whole number ≥ 0; got -1"),
        ({"every": 0}, r"model\.every must be a whole number ≥ 1; got 0"),
        ({"cell": "lstn"}, r"model\.cell=lstn is not known; did you mean lstm"),
        ({"cell": "linear"}, r"model\.cell=linear is not known"),
        ({"hidden_size": 0}, r"model\.hidden_size must be a whole number ≥ 1; got 0"),
    ],
)
def test_what_is_out_of_range_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        model_of(**wrong)


Compose = Callable[..., dict[str, Any]]


@pytest.fixture
def settings(compose: Compose) -> Compose:
    common = ["task=copy", "task.blanks=3", "task.episodes=4", "task.batch_size=4", "task.rows=2"]
    return lambda *overrides: compose(*common, "model=sab", "model.hidden_size=3", *overrides)


def test_it_learns_in_episodes_and_is_resumed_bit_for_bit(settings: Compose) -> None:
    trained = settings("method=bptt", "model.top=3")
    run = Experiment(RunConfig.of(trained))
    before = {name: p.detach().clone() for name, p in run.model.named_parameters()}
    list(run.train())
    assert all((p != before[name]).any() for name, p in run.model.named_parameters())
    check(trained, 0, 3)


@pytest.mark.parametrize("method", ["artbp", "tbptt", "rtrl", "tprop"])
def test_a_method_that_cuts_episodes_is_refused(settings: Compose, method: str) -> None:
    length = [] if method == "rtrl" else ["method.length=5"]
    with pytest.raises(UserError, match=f"method={method}.*take method=") as error:
        Experiment(RunConfig.of(settings(f"method={method}", *length)))
    assert "\n" not in str(error.value)


def test_a_stream_without_episodes_is_refused(compose: Compose, own_corpus: Path) -> None:
    stream = ["task=ptb", "task.corpus=own", f"task.data_dir={own_corpus}", "model=sab", "method=bptt"]
    with pytest.raises(UserError, match=r"task=ptb is one stream of 61 steps; take a task of episodes, such as task=c"):
        Experiment(RunConfig.of(compose(*stream)))


def test_a_boundary_is_refused(settings: Compose) -> None:
    with pytest.raises(UserError, match=r"boundary=dni reads a state that keeps its size, and this model's grows"):
        Experiment(RunConfig.of(settings("method=bptt", "boundary=dni")))


def test_its_own_truncation_is_a_bias_that_verification_names() -> None:
    subject = small({"name": "bptt"}, *small_task("sab", 6))
    assert certify(subject).certified
    subject.model.truncate = 2
    assert certify(subject).reason == "the model itself lets no gradient through every 2 steps (model.truncate)"
    assert subject.method.claim(6) == "biased"
    assert subject.model.truncate == 2
