"""Our cells against torch's own layers with the same numbers, on one-hot inputs."""

import pytest
import torch
from torch import Tensor, nn

from tests.cells import HIDDEN, STREAMS, VOCABULARY, build_model, make_case

STEPS = 7


def copy_into(layer: nn.Module, values: dict[str, Tensor]) -> None:
    with torch.no_grad():
        for name, value in values.items():
            layer.get_parameter(name).copy_(value)


@pytest.mark.parametrize(("name", "kind"), [("lstm", nn.LSTM), ("gru", nn.GRU), ("rnn", nn.RNN)])
def test_same_hidden_states_and_gradients(name: str, kind: type[nn.Module]) -> None:
    case = make_case(name, STEPS)
    ours = dict(case.model.named_parameters())
    layer = kind(VOCABULARY, HIDDEN, dtype=torch.float64)
    hidden_bias = torch.zeros_like(ours["bias"])
    if name == "gru":
        ours["candidate_bias"].data += 0.3
        hidden_bias[2 * HIDDEN :] = ours["candidate_bias"]
    values = {"weight_ih_l0": ours["table"].t(), "weight_hh_l0": ours["recurrent"], "bias_ih_l0": ours["bias"]}
    copy_into(layer, values | {"bias_hh_l0": hidden_bias})
    hidden, _ = layer(nn.functional.one_hot(case.inputs, VOCABULARY).double())
    wanted = hidden @ ours["readout"].detach().t() + ours["readout_bias"].detach()
    found, _ = case.model(case.inputs, case.model.init_state(STREAMS))
    torch.testing.assert_close(found, wanted, rtol=1e-13, atol=1e-14)

    case.loss(found, case.targets).backward()
    case.loss(wanted, case.targets).backward()
    pairs = {"table": layer.weight_ih_l0.grad.t(), "recurrent": layer.weight_hh_l0.grad, "bias": layer.bias_ih_l0.grad}
    for key, gradient in pairs.items():
        torch.testing.assert_close(ours[key].grad, gradient, rtol=1e-12, atol=1e-14)


def test_authors_cell_is_the_equations_of_the_spec() -> None:
    case = make_case("authors", STEPS)
    p = {name: tensor.detach() for name, tensor in case.model.named_parameters()}
    hidden = cell = torch.zeros(STREAMS, HIDDEN, dtype=torch.float64)
    logits = []
    blocks = [slice(k * HIDDEN, (k + 1) * HIDDEN) for k in range(5)]
    for symbols in case.inputs:
        looked_up = p["table"][symbols] + p["bias"]
        mixed = looked_up[:, blocks[0]] + hidden @ p["mixing"].T
        enter, forget, candidate, leave = (
            looked_up[:, blocks[k]] + mixed @ p["gating"][blocks[k - 1]].T for k in range(1, 5)
        )
        cell = forget.sigmoid() * cell + enter.sigmoid() * candidate
        hidden = (leave.sigmoid() * cell).tanh()
        logits.append(hidden @ p["readout"].T + p["readout_bias"])
    found, _ = case.model(case.inputs, case.model.init_state(STREAMS))
    torch.testing.assert_close(found, torch.stack(logits), rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize(("name", "block"), [("lstm", 1), ("authors", 2)])
def test_the_forget_gates_bias_is_two_and_the_others_zero(name: str, block: int) -> None:
    bias = build_model(name).get_parameter("bias").reshape(-1, HIDDEN)
    wanted = torch.zeros_like(bias)
    wanted[block] = 2
    assert torch.equal(bias, wanted)


def test_linear_system_is_the_one_of_the_spec() -> None:
    model = build_model("linear")
    transition = model.get_buffer("transition")
    half = [[0.5, 0.5, 0, 0], [0, 0.5, 0.5, 0], [0, 0, 0.5, 0.5], [0, 0, 0, 0.5]]
    assert transition.tolist() == half
    assert model.get_buffer("drive").tolist() == [1, 1, -1, -1]
    assert model.get_parameter("theta").item() == 0.5
    assert [name for name, _ in model.named_parameters()] == ["theta"]
    output, state = model.step(torch.empty(1, 0), model.init_state(1))
    assert state.tolist() == [[1.5, 1.5, 0.5, 0.0]]
    assert output.tolist() == [1.5]
