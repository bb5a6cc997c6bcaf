import math
from typing import Any

import pytest
import torch

from artbp_exp.errors import UserError
from artbp_exp.tasks.synthetic import build


@pytest.mark.parametrize(("size", "positive"), [(23, 10), (5, 1), (8, 7)])
def test_the_best_parameter_makes_the_first_unit_one(size: int, positive: int) -> None:
    task = build(size=size, positive=positive)
    transition = 0.5 * (torch.eye(size) + torch.diag(torch.ones(size - 1), 1)).double()
    drive = torch.tensor([1.0] * positive + [-1.0] * (size - positive)).double()
    stationary = torch.linalg.solve(torch.eye(size).double() - transition, task.theta_optimal * drive)
    assert stationary[0].item() == pytest.approx(1, rel=1e-12)


def test_the_papers_case() -> None:
    assert build().theta_optimal == pytest.approx(-1 / 6, rel=1e-15)
    assert build().steps == 10**6
    assert build().shapes == {"size": 23, "positive": 10}


def test_balanced_signs_have_no_best_parameter() -> None:
    task = build(size=4, positive=2)
    assert task.theta_optimal is None
    assert "optimal" not in task.headline({"loss": 1.0, "theta": 0.1})


def test_loss_is_half_the_square_summed_over_steps_and_averaged_over_streams() -> None:
    found = build().loss(torch.tensor([[3.0, 1.0], [2.0, 1.0]]), torch.ones(2, 2))
    assert found.item() == pytest.approx(0.5 * (4 + 1) / 2)


def test_windows_have_the_right_number_of_steps_and_no_input() -> None:
    inputs, targets = build().window(7, 12)
    assert inputs.shape == (5, 1, 0)
    assert targets.tolist() == [[1.0]] * 5


@pytest.mark.parametrize("steps", [1, 2, 10, 99, 1000, 12345])
def test_marks_ascend_to_the_end(steps: int) -> None:
    marks = build(steps=steps).marks()
    assert marks == sorted(set(marks))
    assert marks[-1] == steps


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"positive": 30}, "task.positive=30 is more than task.size=23"),
        ({"positive": -1}, "task.positive"),
        ({"size": 0}, "task.size"),
        ({"steps": 0}, "task.steps"),
        ({"steps": 1.5}, "task.steps must be a whole number ≥ 1; got 1.5"),
        ({"divergence": math.nan}, "task.divergence"),
    ],
)
def test_bad_settings_are_refused(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError, match=says):
        build(**wrong)


def test_a_whole_number_may_be_written_as_a_power() -> None:
    assert build(steps=1e6).steps == 10**6
