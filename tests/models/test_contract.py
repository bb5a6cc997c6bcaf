"""What holds of every registered model."""

import pytest
import torch

from artbp_exp import registry
from artbp_exp.autograd import map_state, unroll
from artbp_exp.errors import UserError
from artbp_exp.models.character import CharacterModel
from artbp_exp.truncation import Segment
from tests.cells import NAMES, STREAMS, VOCABULARY, build_model, make_case

STEPS = 5
CHARACTER = [name for name in registry.names("model") if isinstance(build_model(name), CharacterModel)]
every_model = pytest.mark.parametrize("name", NAMES)


def shapes(state) -> list[torch.Size]:
    found: list[torch.Size] = []
    map_state(lambda tensor: found.append(tensor.shape) or tensor, state)
    return found


@every_model
@pytest.mark.parametrize("streams", [1, STREAMS])
def test_a_state_has_one_row_a_stream_and_a_step_keeps_its_shape(name: str, streams: int) -> None:
    case = make_case(name, STEPS)
    state = case.model.init_state(streams)
    assert {shape[0] for shape in shapes(state)} == {streams}
    row = case.model.encode(case.inputs[:, :streams])[0]
    output, after = case.model.step(row, state)
    assert output.shape[0] == streams
    assert case.model.grows or shapes(after) == shapes(state)


@every_model
def test_predictions_have_a_row_a_step_and_a_stream(name: str) -> None:
    case = make_case(name, STEPS)
    predictions, _ = case.model(case.inputs, case.model.init_state(STREAMS))
    assert predictions.shape[:2] == (STEPS, STREAMS)
    if name in CHARACTER:
        assert predictions.shape == (STEPS, STREAMS, VOCABULARY)


@every_model
def test_forward_equals_unroll_and_can_be_split_anywhere(name: str) -> None:
    case = make_case(name, STEPS)
    start = case.model.init_state(STREAMS)
    whole, end = case.model(case.inputs, start)
    ones = torch.ones(STEPS - 1, dtype=torch.float64).numpy()
    outputs, last = unroll(case.model.step, case.model.encode(case.inputs), start, Segment(length=STEPS, factors=ones))
    # `forward` may take a faster path, which rounds in another order
    torch.testing.assert_close(case.model.decode(torch.stack(outputs)), whole, rtol=1e-13, atol=1e-15)
    map_state(lambda a, b: torch.testing.assert_close(a, b, rtol=1e-13, atol=1e-15) or a, last, end)
    first, middle = case.model(case.inputs[:2], start)
    second, _ = case.model(case.inputs[2:], middle)
    torch.testing.assert_close(torch.cat([first, second]), whole, rtol=1e-14, atol=1e-15)


@every_model
def test_streams_do_not_mix(name: str) -> None:
    case = make_case(name, STEPS)
    both, _ = case.model(case.inputs, case.model.init_state(STREAMS))
    for stream in range(STREAMS):
        alone, _ = case.model(case.inputs[:, stream : stream + 1], case.model.init_state(1))
        torch.testing.assert_close(alone, both[:, stream : stream + 1], rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("name", registry.names("model"))
def test_the_same_generator_gives_the_same_weights(name: str) -> None:
    same, again, other = build_model(name, seed=1), build_model(name, seed=1), build_model(name, seed=2)
    for a, b in zip(same.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)
    if name in CHARACTER:
        assert not torch.equal(same.get_parameter("table"), other.get_parameter("table"))


@pytest.mark.parametrize("name", CHARACTER)
def test_tables_are_normal_and_weights_uniform_within_one_over_root_fan_in(name: str) -> None:
    model = build_model(name, hidden_size=200)
    table = model.get_parameter("table")
    assert table.std().item() == pytest.approx(1, abs=0.05)
    for key, p in model.named_parameters():
        if p.ndim == 2 and key != "table":
            assert p.abs().max() <= p.shape[1] ** -0.5
            assert p.std().item() == pytest.approx(p.shape[1] ** -0.5 / 3**0.5, rel=0.1)


@pytest.mark.parametrize("name", CHARACTER)
def test_no_units_are_refused(name: str) -> None:
    for size in (0, 2.5, "many"):
        with pytest.raises(UserError, match=r"model.hidden_size must be a whole number ≥ 1"):
            build_model(name, hidden_size=size)
    assert build_model(name, hidden_size=1).get_parameter("readout").shape == (VOCABULARY, 1)


@pytest.mark.parametrize("name", CHARACTER)
def test_one_hot_vectors_are_symbols(name: str) -> None:
    model = build_model(name)
    symbols = torch.tensor([[0, 3], [2, 2], [1, 0]])
    vectors = torch.nn.functional.one_hot(symbols, VOCABULARY).float()
    found, wanted = (model(inputs, model.init_state(STREAMS))[0] for inputs in (vectors, symbols))
    torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-14)


def test_recurrent_weights_begin_as_a_multiple_of_an_orthogonal_matrix() -> None:
    settings = {"name": "rnn", "hidden_size": 5, "recurrent_scale": 0.9}
    model = registry.build("model", settings, generator=torch.Generator().manual_seed(0), vocabulary=3, outputs=2)
    torch.testing.assert_close(model.recurrent @ model.recurrent.t(), 0.81 * torch.eye(5))
    assert model.readout.shape == (2, 5)
    with pytest.raises(UserError, match=r"model\.recurrent_scale must be a number ≥ 0"):
        registry.build("model", settings | {"recurrent_scale": -1}, generator=torch.Generator(), vocabulary=3)
