"""A contract for every model, and equality with torch's own cells."""

import pytest
import torch
from problems import make_model
from torch import nn

from artbp_exp import registry
from artbp_exp.backprop import map_state, unroll
from artbp_exp.truncation import Segment

CHARACTER = [name for name in registry.names("model") if name != "linear"]


@pytest.mark.parametrize("name", CHARACTER)
def test_shapes_and_evaluation_path(name):
    T, B, V = 6, 3, 5
    model = make_model(name, vocabulary=V)
    symbols = torch.randint(V, (T, B))
    state = model.init_state(B)
    map_state(lambda tensor: torch.zeros(()) if tensor.shape == (B, 3) else pytest.fail(str(tensor.shape)), state)
    predictions, last = model(symbols, state)
    assert predictions.shape == (T, B, V)
    factors = torch.ones(T - 1).double().numpy()
    outputs, unrolled = unroll(model.step, model.encode(symbols), state, Segment(length=T, factors=factors))
    assert torch.equal(model.decode(torch.stack(outputs)), predictions)
    map_state(lambda a, b: a if torch.equal(a, b) else pytest.fail("states differ"), last, unrolled)


@pytest.mark.parametrize("name", CHARACTER)
def test_initial_weights_come_from_the_generator(name):
    first, again, other = (make_model(name, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(first.table, again.table)
    assert not torch.equal(first.table, other.table)


@pytest.mark.parametrize(("name", "kind"), [("lstm", nn.LSTM), ("gru", nn.GRU), ("rnn", nn.RNN)])
def test_equal_to_torchs_own_layer(name, kind):
    T, B, V, H = 7, 2, 5, 4
    model = make_model(name, vocabulary=V, hidden_size=H)
    layer = kind(V, H).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, dtype=torch.float64))
        layer.weight_ih_l0.copy_(model.table.t())
        layer.weight_hh_l0.copy_(model.recurrent)
        layer.bias_ih_l0.copy_(model.bias)
        layer.bias_hh_l0.zero_()
        if name == "gru":
            layer.bias_hh_l0[2 * H :] = model.candidate_bias
    symbols = torch.randint(V, (T, B))
    expected, _ = layer(nn.functional.one_hot(symbols, V).double())
    found, _ = model(symbols, model.init_state(B))
    assert torch.allclose(found, model.decode(expected), rtol=1e-12, atol=1e-12)


def test_authors_cell_by_its_equations():
    B, V, H = 2, 5, 3
    model = make_model("authors", vocabulary=V, hidden_size=H)
    h, c = torch.randn(B, H).double(), torch.randn(B, H).double()
    x = torch.tensor([1, 4])
    E, b = model.table, model.bias
    m = E[x, :H] + h @ model.mixing.t() + b[:H]
    i, f, g, o = (
        E[x, k * H : (k + 1) * H] + m @ model.gating[(k - 1) * H : k * H].t() + b[k * H : (k + 1) * H]
        for k in range(1, 5)
    )
    cell = f.sigmoid() * c + i.sigmoid() * g
    hidden = (o.sigmoid() * cell).tanh()
    output, (h2, c2) = model.step(model.encode(x[None])[0], (h, c))
    assert torch.allclose(output, hidden)
    assert torch.allclose(h2, hidden)
    assert torch.allclose(c2, cell)
    assert (b[2 * H : 3 * H] == 2).all()


def test_linear_system():
    model = make_model("linear")
    first, state = model.step(torch.empty(1, 0), torch.arange(5.0).double()[None])
    expected = [0.5 * i + (0.5 * (i + 1) if i < 4 else 0) + 0.5 * (1 if i < 2 else -1) for i in range(5)]
    assert state[0].tolist() == expected
    assert first.item() == expected[0]
