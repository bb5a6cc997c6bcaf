"""Episodes are sequences of their own: nothing crosses their ends; and a loss may fall on some steps only."""

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from artbp_exp.methods import SegmentMethod
from artbp_exp.tasks.losses import MISSING, cross_entropy
from artbp_exp.tasks.window import window
from artbp_exp.training.gradient import TaskLoop, flat, gradient
from artbp_exp.truncation import Scheme
from tests.cells import STREAMS, VOCABULARY, build_model
from tests.gradients import full_gradient
from tests.schemes import build_scheme

EPISODE, STEPS = 4, 10
"""Two episodes, and a third that the end of the data ends."""

ARTBP = {"name": "artbp", "length": 2.5, "alpha": 4}


class Episodes:
    """Random symbols; the last two steps of an episode have a loss, of which one stream lacks one."""

    name, steps, episode, batch_size, carry_state = "episodes", STEPS, EPISODE, STREAMS, True
    loss = staticmethod(cross_entropy)

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(3)
        self._inputs, self._targets = torch.randint(VOCABULARY, (2, STEPS, STREAMS), generator=generator)
        place = torch.arange(STEPS) % EPISODE
        self._targets[(place < 2)[:, None] | ((place == 2)[:, None] & (torch.arange(STREAMS) == 0))] = MISSING

    def window(self, start: int, stop: int) -> tuple[Tensor, Tensor]:
        return self._inputs[start:stop], self._targets[start:stop]


def loop_of(model: Any, scheme: Scheme, *, engine: str = "plain") -> TaskLoop:
    task: Any = Episodes()
    return TaskLoop(task=task, method=SegmentMethod(model=model, scheme=scheme, engine=engine), trainables=model)


def ways(scheme: Scheme) -> Any:
    """Every outcome of a pass: the episodes are cut independently of each other."""
    method = SegmentMethod(model=build_model("rnn"), scheme=scheme)
    each = [list(method.outcomes(min(EPISODE, STEPS - start))) for start in range(0, STEPS, EPISODE)]
    for parts in itertools.product(*each):
        yield [draw for outcome, _ in parts for draw in outcome], float(np.prod([p for _, p in parts]))


def wanted(model: Any) -> Tensor:
    """Full BPTT of each episode from the initial state, added up."""
    task, total = Episodes(), 0.0

    class Part:
        def __init__(self, start: int) -> None:
            self.inputs, self.targets = task.window(start, min(start + EPISODE, STEPS))
            self.model, self.loss = model, lambda y, t: summed(y, t)

    for start in range(0, STEPS, EPISODE):
        part: Any = Part(start)
        total = total + flat(full_gradient(part))
    return total


def summed(predictions: Tensor, targets: Tensor) -> Tensor:
    there = targets != MISSING
    return -torch.log_softmax(predictions, -1)[there].gather(-1, targets[there][:, None]).sum() / STREAMS


@pytest.mark.parametrize("engine", ["plain", "fused", "vendor"])
@pytest.mark.parametrize("cell", ["rnn", "lstm"])
def test_over_all_cuts_of_all_episodes_the_mean_is_the_full_gradient(cell: str, engine: str) -> None:
    model, scheme = build_model(cell), build_scheme(ARTBP)
    loop, mean, chance = loop_of(model, scheme, engine=engine), torch.zeros(()), 0.0
    for outcome, probability in ways(scheme):
        mean = mean + probability * flat(gradient(loop, outcome).gradient)
        chance += probability
    full = wanted(model)
    assert chance == pytest.approx(1, abs=1e-12)
    assert (mean - full).norm() < 1e-12 * full.norm()


def test_a_segment_across_the_end_of_an_episode_would_be_another_gradient() -> None:
    model = build_model("rnn")
    loop = loop_of(model, build_scheme({"name": "bptt"}))
    loop.task.episode = STEPS
    found = flat(gradient(loop, [loop.method.scheme.segment(STEPS)]).gradient)
    full = wanted(model)
    assert (found - full).norm() > 0.01 * full.norm()


@pytest.mark.parametrize("settings", [ARTBP, {"name": "tbptt", "length": 3}, {"name": "bptt"}])
def test_draws_end_with_the_episode_and_go_on_from_anywhere(settings: dict[str, Any]) -> None:
    loop = loop_of(build_model("rnn"), build_scheme(settings))
    for seed in range(20):
        found = [(start, draw.length) for start, draw in loop.draws(np.random.default_rng(seed))]
        assert [start for start, _ in found] == list(itertools.accumulate((n for _, n in found[:-1]), initial=0))
        ends = {start + length for start, length in found}
        assert {4, 8, 10} <= ends
        for done, (start, _) in enumerate(found):
            rng = np.random.default_rng(seed)
            list(itertools.islice(loop.draws(rng), done))
            assert [(at, draw.length) for at, draw in loop.draws(rng, start=start)] == found[done:]


def test_the_state_begins_anew_and_the_method_hears_of_the_end() -> None:
    model = build_model("rnn")
    loop, heard = loop_of(model, build_scheme({"name": "tbptt", "length": 2})), []
    advance = loop.method.advance

    def listening(carry: Any, *rest: Any, ends: bool) -> Any:
        heard.append((bool((carry == model.init_state(STREAMS)).all()), ends))
        return advance(carry, *rest, ends=ends)

    loop.method.advance = listening  # type: ignore[method-assign]  # only to listen
    gradient(loop, [draw for _, draw in loop.draws(np.random.default_rng(0))])
    assert heard == [(True, False), (False, True), (True, False), (False, True), (True, True)]


def test_a_window_is_one_episode_and_looks_where_the_losses_are() -> None:
    task: Any = Episodes()
    part = window(task, steps=2)
    assert (part.steps, part.episode) == (2, 2)
    assert torch.equal(part.window(0, 2)[1], task.window(2, 4)[1])
    assert torch.equal(window(task, steps=3, start=5).window(0, 3)[0], task.window(5, 8)[0])
