"""Every engine gives the gradient of the plain path, of which the oracle tests hold, whatever the factors."""

import gc
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from artbp_exp.autograd import fused, leaves, map_state, unroll_blocks
from artbp_exp.autograd.engines import ENGINES, find_engine
from artbp_exp.autograd.fused import execution, graphs, products
from artbp_exp.autograd.modules import recurrence_of
from artbp_exp.errors import UserError
from artbp_exp.methods import SegmentMethod
from artbp_exp.truncation import Segment, artbp, bptt
from tests.cells import NAMES, STREAMS, VOCABULARY, build_model, make_case
from tests.gradients import estimate, estimated_gradient, expected_gradient, full_gradient, relative_errors

CHARACTER_CELLS = ["lstm", "authors", "gru", "rnn"]
KERNELS = ["compiled", "operators", "recorded"]


@dataclass(frozen=True)
class Path:
    cell: str
    engine: str


def paths() -> list[Path]:
    found = []
    for cell in NAMES:
        for engine in ENGINES:
            try:
                find_engine(engine, make_case(cell, 2).model)
            except UserError:
                continue
            found.append(Path(cell, engine))
    return found


PATHS = paths()


@pytest.fixture(params=KERNELS)
def kernels(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(execution, "has_numba", lambda: request.param == "compiled")
    if request.param == "recorded":  # what a GPU replays, run as it stands; of blocks so short that a segment has many
        monkeypatch.setattr(execution, "is_recorded", lambda arrays: True)
        monkeypatch.setattr(execution, "folds", lambda inputs: True)
        monkeypatch.setattr(graphs, "LONGEST", 2)
        graphs._plan.cache_clear()
    yield str(request.param)
    graphs._plan.cache_clear()


def test_every_cell_of_the_issue_has_a_fused_path_and_the_ready_made_ones_a_vendor_path() -> None:
    assert {p.cell for p in PATHS if p.engine == "fused"} >= {"lstm", "authors", "gru", "rnn"}
    assert {p.cell for p in PATHS if p.engine == "vendor"} >= {"lstm", "gru", "rnn"}


@pytest.mark.parametrize("path", PATHS, ids=str)
@pytest.mark.parametrize("memory", [None, 1, 3])
def test_equal_to_the_plain_path_with_random_factors_and_lengths(path: Path, memory: int | None, kernels: str) -> None:
    rng = np.random.default_rng(7)
    for length in (2, 3, 5, 8):
        case = make_case(path.cell, length)
        # factors of 1 in between, so that the vendor's kernel runs more than one step at a time
        factors = np.where(rng.random(length - 1) < 0.4, 1.0, 0.3 + 2 * rng.random(length - 1))
        segments = [Segment(length=length, factors=factors)]
        found = estimated_gradient(case, segments, engine=path.engine, memory=memory)
        errors = relative_errors(found, estimated_gradient(case, segments))
        assert max(errors.values()) < 1e-10, (length, errors)


@pytest.mark.parametrize("path", PATHS, ids=str)
@pytest.mark.parametrize("every", [1, 2])
def test_unbiased_by_exact_enumeration(path: Path, every: int, kernels: str) -> None:
    case = make_case(path.cell, 6)
    scheme = artbp.build(length=3, alpha=4, every=every)
    mean = expected_gradient(case, scheme, engine=path.engine, memory=2)
    assert max(relative_errors(mean, full_gradient(case)).values()) < 1e-12


@pytest.mark.parametrize("path", PATHS, ids=str)
def test_loss_and_last_state_are_those_of_the_plain_path(path: Path, kernels: str) -> None:
    case = make_case(path.cell, 7)
    segment = Segment(length=7, factors=np.full(6, 1.5))
    results = [
        estimate(
            model=case.model,
            loss=case.loss,
            inputs=case.inputs,
            targets=case.targets,
            state=case.model.init_state(STREAMS),
            segment=segment,
            engine=engine,
            memory=memory,
        )
        for engine, memory in (("plain", None), (path.engine, None), (path.engine, 2))
    ]
    for result in results[1:]:
        assert result[0] == pytest.approx(results[0][0], rel=1e-13)
        for found, wanted in zip(leaves(result[1]), leaves(results[0][1]), strict=True):
            assert not found.requires_grad
            torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("path", PATHS, ids=str)
def test_the_gradient_at_the_state_before_the_segment(path: Path, kernels: str) -> None:
    case = make_case(path.cell, 4)
    segment = Segment(length=4, factors=np.array([1.3, 1.0, 0.7]))
    found = []
    for engine in ("plain", path.engine):
        _, run = find_engine(engine, case.model)
        torch.manual_seed(3)
        state = map_state(lambda leaf: torch.randn_like(leaf).requires_grad_(), case.model.init_state(STREAMS))
        start = leaves(state)
        outputs, last = run(case.inputs, state, segment)
        # the last state is read, too, as it is where a segment is cut into pieces
        total = case.loss(case.model.decode(outputs), case.targets) + sum(leaf.square().sum() for leaf in leaves(last))
        found.append(torch.autograd.grad(total, start))
    for mine, plain in zip(*found, strict=True):
        torch.testing.assert_close(mine, plain, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("cell", CHARACTER_CELLS)
def test_single_precision_is_as_near_to_double_as_the_plain_path(cell: str, kernels: str) -> None:
    segment = Segment(length=30, factors=np.full(29, 1.05))
    exact = estimated_gradient(make_case(cell, 30), [segment])
    distance = {}
    for engine in ("plain", "fused"):
        case = make_case(cell, 30)
        case.model.float()
        distance[engine] = max(
            relative_errors(
                {k: g.double() for k, g in estimated_gradient(case, [segment], engine=engine).items()}, exact
            ).values()
        )
    assert distance["fused"] < max(3 * distance["plain"], 1e-6)


@pytest.mark.parametrize(("cell", "engine"), [(p.cell, p.engine) for p in PATHS if p.cell in CHARACTER_CELLS])
def test_bfloat16_products_stay_near_and_leave_float32_behind(cell: str, engine: str, kernels: str) -> None:
    case = make_case(cell, 12)
    segment = Segment(length=12, factors=np.full(11, 1.1))
    exact = estimated_gradient(case, [segment])
    case.model.float()
    case.model.zero_grad(set_to_none=True)
    _, state = estimate(
        model=case.model,
        engine=engine,
        autocast=torch.bfloat16,
        loss=case.loss,
        inputs=case.inputs,
        targets=case.targets,
        state=case.model.init_state(STREAMS),
        segment=segment,
    )
    found = {name: p.grad for name, p in case.model.named_parameters()}
    assert all(g.dtype == torch.float32 for g in found.values())
    assert all(leaf.dtype == torch.float32 for leaf in leaves(state))
    errors = relative_errors({k: g.double() for k, g in found.items()}, exact)
    # eight bits of mantissa: about half a percent a product
    assert 1e-5 < max(errors.values()) < 0.06, errors


def test_a_fused_segment_is_backpropagated_again_where_its_graph_is_kept(kernels: str) -> None:
    case = make_case("lstm", 3)
    _, run = find_engine("fused", case.model)
    outputs, _ = run(case.inputs, case.model.init_state(STREAMS), Segment(length=3, factors=np.ones(2)))
    weights = list(case.model.parameters())
    first, second = (torch.autograd.grad(outputs.sum(), weights, retain_graph=k, allow_unused=True) for k in (1, 0))
    for a, b in zip(first, second, strict=True):
        torch.testing.assert_close(a, b)
    with pytest.raises(RuntimeError, match="a second time"):
        outputs.sum().backward()


def test_models_of_one_shape_run_side_by_side_in_threads_and_after_inference(kernels: str) -> None:
    cases = [make_case("lstm", 40), make_case("lstm", 40)]
    for weight in cases[1].model.parameters():
        weight.data.mul_(0.5)
    segment = Segment(length=40, factors=np.full(39, 1.1))
    with torch.inference_mode():
        find_engine("fused", cases[0].model)[1](cases[0].inputs, cases[0].model.init_state(STREAMS), segment)

    def gradients(index: int, engine: str = "fused", times: int = 4) -> list[list[torch.Tensor]]:
        case, found = cases[index], []
        run, weights = find_engine(engine, case.model)[1], list(case.model.parameters())
        for _ in range(times):
            outputs, _ = run(case.inputs, case.model.init_state(STREAMS), segment)
            found.append([*torch.autograd.grad(case.loss(case.model.decode(outputs), case.targets), weights)])
        return found

    with ThreadPoolExecutor(2) as pool:
        found = [*pool.map(gradients, range(2))]
    for index in range(2):
        (wanted,) = gradients(index, "plain", 1)
        for mine in found[index]:
            torch.testing.assert_close(mine, wanted, rtol=1e-10, atol=1e-13)


@pytest.mark.filterwarnings("ignore")  # torch's tracing has many of its own
@pytest.mark.parametrize("kernels", ["recorded"], indirect=True)
def test_a_users_compiled_function_finds_the_recordings_again(kernels: str) -> None:
    case = make_case("gru", 5)
    segment = Segment(length=5, factors=np.full(4, 1.1))

    def loss(engine: str) -> torch.Tensor:
        outputs, _ = find_engine(engine, case.model)[1](case.inputs, case.model.init_state(STREAMS), segment)
        return case.loss(case.model.decode(outputs), case.targets)

    compiled, weights = torch.compile(loss, backend="eager"), list(case.model.parameters())
    for _ in range(2):
        found = torch.autograd.grad(compiled("fused"), weights)
    torch.testing.assert_close(found, torch.autograd.grad(loss("plain"), weights))
    assert graphs._plan.cache_info()[:2] == (3, 1)  # looked up in both directions, twice; made once
    torch.compiler.reset()


@pytest.mark.parametrize("cell", CHARACTER_CELLS)
def test_what_the_backward_pass_needs_is_saved_by_autograd(cell: str, kernels: str) -> None:
    """So that checkpointing can drop it: nothing but what it computes again is left between the two passes."""
    case = make_case(cell, 5)
    _, run = find_engine("fused", case.model)
    segment = Segment(length=5, factors=np.full(4, 1.2))
    saved: list[weakref.ref[torch.Tensor]] = []

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        saved.append(weakref.ref(tensor))
        return tensor.clone()  # a copy: whatever is not saved would keep the original alive

    def gradient(checkpointed: bool) -> list[torch.Tensor]:
        def loss() -> torch.Tensor:
            outputs, last = run(case.inputs, case.model.init_state(STREAMS), segment)
            return case.loss(case.model.decode(outputs), case.targets) + sum(leaf.sum() for leaf in leaves(last))

        total = checkpoint(loss, use_reentrant=False) if checkpointed else loss()
        return list(torch.autograd.grad(total, list(case.model.parameters())))

    wanted = gradient(False)
    for found, exact in zip(gradient(True), wanted, strict=True):
        assert torch.equal(found, exact)
    parameters = {id(p) for p in case.model.parameters()}
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        outputs, last = run(case.inputs, case.model.init_state(STREAMS), segment)
        total = case.loss(case.model.decode(outputs), case.targets)
        del outputs, last
    gc.collect()
    assert len(saved) > len(parameters)
    left = [ref() for ref in saved]
    assert all(t is None or id(t) in parameters or t.numel() <= case.inputs.numel() * 4 for t in left)
    total.backward()


def run_and_backward(
    cell: str, *, hidden: int, streams: int, steps: int, dtype: torch.dtype, engine: str, low: bool = False
) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """Gradients at the parameters and the first state, and the outputs, of a segment with random factors."""
    model = build_model(cell, hidden_size=hidden).to(dtype)
    generator = torch.Generator().manual_seed(hidden)
    symbols = torch.randint(VOCABULARY, (steps, streams), generator=generator)
    state = map_state(lambda leaf: torch.randn(leaf.shape, generator=generator).to(dtype), model.init_state(streams))
    start = [leaf.requires_grad_() for leaf in leaves(state)]
    segment = Segment(length=steps, factors=0.5 + np.random.default_rng(0).random(steps - 1))
    with torch.autocast("cpu", torch.bfloat16, enabled=low):
        outputs, last = find_engine(engine, model)[1](symbols, state, segment)
    weights = torch.randn(outputs.shape, generator=generator).to(dtype)
    (outputs * weights).sum().add(sum(leaf.square().sum() for leaf in leaves(last))).backward()
    found = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    found |= {f"state {index}": leaf.grad for index, leaf in enumerate(start) if leaf.grad is not None}
    return found, outputs.detach()


@pytest.fixture(params=[1, 2])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


# whole vectors and what is left over; whole tiles of rows and what is left over
@pytest.mark.parametrize(("hidden", "streams"), [(37, 9), (32, 9), (3, 20), (129, 1)])
@pytest.mark.parametrize("cell", CHARACTER_CELLS)
def test_at_any_size_and_on_any_number_of_threads(cell: str, hidden: int, streams: int, threads: int) -> None:
    sizes = {"hidden": hidden, "streams": streams, "steps": 6, "dtype": torch.float64}
    exact, outputs = run_and_backward(cell, engine="plain", **sizes)
    found, mine = run_and_backward(cell, engine="fused", **sizes)
    torch.testing.assert_close(mine, outputs, rtol=1e-12, atol=1e-14)
    assert max(relative_errors(found, exact).values()) < 1e-10


@pytest.mark.parametrize("hidden", [64, 260])
@pytest.mark.parametrize("cell", CHARACTER_CELLS)
def test_single_precision_within_two_millionths_of_the_largest_entry(cell: str, hidden: int, threads: int) -> None:
    sizes = {"hidden": hidden, "streams": 16, "steps": 30}
    exact, _ = run_and_backward(cell, engine="plain", dtype=torch.float64, **sizes)
    found, _ = run_and_backward(cell, engine="fused", dtype=torch.float32, **sizes)
    for name, gradient in exact.items():
        assert (found[name] - gradient).abs().max() < 2e-6 * gradient.abs().max(), name


@pytest.mark.parametrize("hidden", [64, 128])
@pytest.mark.parametrize("cell", CHARACTER_CELLS)
def test_bfloat16_rounds_from_a_hundred_units_on(cell: str, hidden: int, kernels: str) -> None:
    sizes = {"hidden": hidden, "streams": 8, "steps": 12}
    exact, _ = run_and_backward(cell, engine="plain", dtype=torch.float64, **sizes)
    found, outputs = run_and_backward(cell, engine="fused", dtype=torch.float32, low=True, **sizes)
    assert outputs.dtype == (torch.float32 if hidden < 100 else torch.bfloat16)
    assert all(gradient.dtype == torch.float32 for gradient in found.values())
    worst = max(relative_errors({name: g.double() for name, g in found.items()}, exact).values())
    assert worst < 1e-5 if hidden < 100 else 1e-4 < worst < 0.06


@pytest.mark.parametrize("low", [False, True])
@pytest.mark.parametrize("cell", CHARACTER_CELLS)
def test_runs_repeat_digit_for_digit(cell: str, low: bool, threads: int) -> None:
    sizes = {"hidden": 130, "streams": 8, "steps": 9, "dtype": torch.float32, "low": low}
    (first, outputs), (second, same) = (run_and_backward(cell, engine="fused", **sizes) for _ in range(2))
    assert torch.equal(outputs, same)
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("spoilt", [float("nan"), float("inf")])
@pytest.mark.parametrize("cell", CHARACTER_CELLS)
def test_what_diverged_is_told_by_nan(cell: str, spoilt: float, kernels: str) -> None:
    case = make_case(cell, 4)
    run = find_engine("fused", case.model)[1]
    state = map_state(lambda leaf: torch.full_like(leaf, spoilt), case.model.init_state(STREAMS))
    outputs, _ = run(case.inputs, state, Segment(length=4, factors=np.ones(3)))
    outputs.sum().backward()
    assert not all(p.grad.isfinite().all() for p in case.model.parameters() if p.grad is not None)


def test_a_symbol_that_the_table_does_not_have_is_an_error() -> None:
    case = make_case("lstm", 3)
    run = find_engine("fused", case.model)[1]
    for wrong in (-1, VOCABULARY):
        with pytest.raises(IndexError, match=f"symbols must be 0 … 3; got .*{wrong}"):
            run(torch.full((3, STREAMS), wrong), case.model.init_state(STREAMS), Segment(length=3, factors=np.ones(2)))


@pytest.mark.parametrize(
    ("module", "kind"),
    [(nn.LSTM, fused.LSTMRecurrence), (nn.GRU, fused.GRURecurrence), (nn.RNN, fused.RNNRecurrence)],
)
def test_dense_inputs_give_what_torchs_module_gives(module: Any, kind: Any, kernels: str) -> None:
    torch.manual_seed(0)
    layer = module(5, 19).double()
    inputs = torch.randn(7, 9, 5, dtype=torch.float64, requires_grad=True)
    state = tuple(torch.randn(1, 9, 19, dtype=torch.float64, requires_grad=True) for _ in range(1 + kind.has_cell))
    outputs, last = layer(inputs, state if kind.has_cell else state[0])
    inner = layer.bias_hh_l0
    weights = fused.Weights(
        inputs=nn.functional.linear(inputs, layer.weight_ih_l0, layer.bias_ih_l0),
        recurrent=layer.weight_hh_l0,
        inner=inner,
    )
    start = tuple(part[0] for part in state)
    mine, final = fused.run_recurrence(kind, weights, None, start if kind.has_cell else start[0], np.ones(6))
    torch.testing.assert_close(mine, outputs)
    factors = torch.randn(outputs.shape, dtype=torch.float64)
    wanted, found = (
        torch.autograd.grad(
            (out * factors).sum() + sum(leaf.square().sum() for leaf in leaves(end)),
            [inputs, *state, *layer.parameters()],
        )
        for out, end in ((outputs, last), (mine, final))
    )
    for a, b in zip(found, wanted, strict=True):
        torch.testing.assert_close(a, b)


class Wrapped(nn.Module):
    """Hides a module, so that `unroll_blocks` calls it block by block."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body, self.batch_first = body, body.batch_first

    def forward(self, inputs: torch.Tensor, state: Any) -> Any:
        return self.body(inputs, state)


@pytest.mark.parametrize("memory", [None, 4])
@pytest.mark.parametrize(
    "settings", [{}, {"num_layers": 3, "batch_first": True}, {"num_layers": 2, "bias": False}], ids=str
)
@pytest.mark.parametrize("module", [nn.LSTM, nn.GRU, nn.RNN])
def test_torchs_modules_run_on_the_recurrences(module: Any, settings: dict[str, Any], memory: int | None) -> None:
    torch.manual_seed(0)
    body = module(5, 19, **settings).double()
    inputs = torch.randn(9, 9, 5, dtype=torch.float64, requires_grad=True)
    layers = settings.get("num_layers", 1)
    state: Any = tuple(torch.randn(layers, 9, 19, dtype=torch.float64, requires_grad=True) for _ in range(2))
    state = state if module is nn.LSTM else state[0]
    segment = Segment(length=9, factors=0.5 + np.random.default_rng(0).random(8), memory=memory)
    assert recurrence_of(body, inputs) is not None
    factors = torch.randn(9, 9, 19, dtype=torch.float64)
    results = []
    for network in (body, Wrapped(body)):
        for start in (state, None):
            outputs, last = unroll_blocks(network, inputs, start, segment)
            total = (outputs * factors).sum() + sum(leaf.square().sum() for leaf in leaves(last))
            read = [inputs, *body.parameters(), *(leaves(state) if start is not None else ())]
            results.append([outputs, *leaves(last), *torch.autograd.grad(total, read)])
    for mine, blocks in ((results[0], results[2]), (results[1], results[3])):
        for a, b in zip(mine, blocks, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


def test_what_is_more_than_torchs_module_is_called_block_by_block() -> None:
    inputs = torch.randn(4, 2, 3)

    class Own(nn.LSTM):
        pass

    hooked, parametrized = nn.LSTM(3, 5), nn.LSTM(3, 5)
    hooked.register_forward_hook(lambda *_: None)
    nn.utils.parametrizations.weight_norm(parametrized, "weight_hh_l0")
    for module in (
        Own(3, 5),
        hooked,
        parametrized,
        nn.LSTM(3, 5, proj_size=2),
        nn.LSTM(3, 5, 2, dropout=0.5),
        nn.RNN(3, 5, nonlinearity="relu"),
        nn.LSTM(3, 5).double(),
    ):
        assert recurrence_of(module, inputs) is None
    assert recurrence_of(nn.LSTM(3, 5, 2, dropout=0.5).eval(), inputs) is not None
    assert recurrence_of(nn.LSTM(3, 5), inputs[0]) is None
    with torch.autocast("cpu", torch.bfloat16):
        assert recurrence_of(nn.LSTM(3, 5), inputs) is None
    with pytest.raises(RuntimeError, match="Expected hidden"):
        unroll_blocks(nn.GRU(3, 5), inputs, torch.zeros(1, 2, 4), Segment(length=4, factors=np.full(3, 2.0)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_onednn_never_gets_rows_that_are_not_dense(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would take a path a thousand times slower, without a word."""
    seen = []
    monkeypatch.setattr(products, "onednn_product", lambda x, w: seen.append((x, w)) or x @ w.t())
    whole = torch.randn(5, 4, 40).to(dtype)
    narrow = whole[:, :, :6]
    for gradients, entering in ((narrow, whole), (whole, narrow), (narrow[:, ::2], whole[:, ::2])):
        wanted = torch.einsum("tbo,tbi->oi", gradients.double(), entering.double()).to(dtype)
        torch.testing.assert_close(products.over_time(gradients, entering), wanted)
    assert len(seen) == (3 if dtype == torch.float32 else 0)
    product = products.Product(torch.randn(300, 300).to(dtype), rows=4, times=9)
    monkeypatch.setattr(product, "_packed", torch.randn(300, 300).to(dtype))
    product(torch.randn(4, 400).to(dtype)[:, :300])
    for x, weight in seen:
        assert x.is_contiguous() or x.t().is_contiguous()
        assert weight.is_contiguous() or weight.t().is_contiguous()


def test_an_engine_that_a_model_lacks_is_refused() -> None:
    with pytest.raises(UserError, match="engine=vendor is not available for this model"):
        find_engine("vendor", make_case("authors", 2).model)
    with pytest.raises(UserError, match="engine=fussed is not known"):
        find_engine("fussed", make_case("lstm", 2).model)


@pytest.mark.parametrize(
    ("length", "memory", "pieces"), [(7, None, 1), (7, 7, 1), (8, 7, 2), (7, 3, 3), (6, 3, 2), (3, 1, 3)]
)
def test_only_what_is_beyond_the_memory_is_computed_twice(length: int, memory: int | None, pieces: int) -> None:
    case = make_case("rnn", length)
    method, lengths = SegmentMethod(model=case.model, scheme=bptt.build(), engine="plain"), []
    run = method._run

    def counted(inputs, state, segment):
        lengths.append(segment.length)
        return run(inputs, state, segment)

    method._run = counted
    segment = Segment(length=length, factors=np.ones(length - 1), memory=memory)
    method.advance(case.model.init_state(STREAMS), segment, case.inputs, case.targets, case.loss, ends=True)
    assert max(lengths) <= (memory or length)
    assert len(lengths) == 2 * pieces - 1
    assert sum(lengths) == length + max(0, length - (memory or length))
