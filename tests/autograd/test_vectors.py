"""The vectors that Numba compiles, and the product made of them, against torch's."""

import numpy as np
import pytest
import torch

from artbp_exp.autograd.fused import panels, vectors
from artbp_exp.autograd.fused.vectors import jit, lanes, load, single, store, wide

LOW, HIGH = 3e-7, 3e-15


@jit
def apply(x, out, what, by_vector):
    step = lanes(wide(x)) if by_vector else 1
    for j in range(0, x.size, step):
        if by_vector:
            value = load(x, j, wide(x))
            store(out, j, vectors.sigmoid(value) if what == 0 else vectors.tanh(value), wide(x))
        else:
            one = load(x, j, single(x))
            store(out, j, vectors.sigmoid(one) if what == 0 else vectors.tanh(one), single(x))


@jit
def copy(x, out):
    for j in range(0, x.size, lanes(wide(x))):
        store(out, j, load(x, j, wide(x)), wide(x))


@pytest.mark.parametrize("by_vector", [True, False])
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, LOW), (np.float64, HIGH)])
def test_sigmoid_and_tanh(dtype, tolerance, by_vector) -> None:
    x = np.linspace(-60, 60, 100_000).astype(dtype)
    wanted = torch.from_numpy(x.astype(np.float64))
    out = np.empty_like(x)
    apply(x, out, 0, by_vector)
    assert np.max(np.abs(out / torch.sigmoid(wanted).numpy() - 1)) < tolerance * (1 if dtype == np.float32 else 40)
    apply(x, out, 1, by_vector)
    # near 0 tanh is a difference of numbers near 1: exact to the rounding of those
    assert np.max(np.abs(out - torch.tanh(wanted).numpy())) < tolerance


@pytest.mark.parametrize("by_vector", [True, False])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_far_out_they_saturate_and_nan_stays_nan(dtype, by_vector) -> None:
    x = np.resize(np.array([-np.inf, -1e30, -1000, 1000, 1e30, np.inf, np.nan, 0], dtype=dtype), 16)
    out = np.empty_like(x)
    apply(x, out, 0, by_vector)
    np.testing.assert_allclose(out[:6], [0, 0, 0, 1, 1, 1], atol=1e-30)
    np.testing.assert_array_equal(out[6:8], [np.nan, 0.5])
    apply(x, out, 1, by_vector)
    np.testing.assert_array_equal(out[:6], [-1, -1, -1, 1, 1, 1])
    np.testing.assert_array_equal(out[6:8], [np.nan, 0])


def test_bfloat16_is_rounded_as_torch_rounds_it() -> None:
    x = torch.randn(100_000, generator=torch.Generator().manual_seed(0)) * 10.0 ** torch.arange(100_000).remainder(9)
    x[:4] = torch.tensor([np.inf, -np.inf, np.nan, 0.0])
    low = torch.empty_like(x, dtype=torch.bfloat16)
    copy(x.numpy(), vectors.view(low))
    torch.testing.assert_close(low, x.to(torch.bfloat16), rtol=0, atol=0, equal_nan=True)
    back = torch.empty_like(x)
    copy(vectors.view(low), back.numpy())
    torch.testing.assert_close(back, x.to(torch.bfloat16).float(), rtol=0, atol=0, equal_nan=True)


@jit
def times(a, t, weight, out):
    panels.multiply(a, t, weight, out)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("rows", [1, 2, 7, 8, 9, 20])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_product_is_torchs(dtype, rows, transposed) -> None:
    generator = torch.Generator().manual_seed(rows)
    for depth, columns in ((1, 1), (5, 31), (37, 70)):
        a = torch.randn(2, rows, depth, generator=generator, dtype=dtype)
        shape = (depth, columns) if transposed else (columns, depth)
        weight = torch.randn(shape, generator=generator, dtype=dtype)
        weight = weight.t() if transposed else weight
        packed = panels.pack(weight)
        out = np.full((rows, packed.shape[0] * packed.shape[2]), np.nan, packed.dtype)
        times(a.numpy(), 1, packed, out)
        torch.testing.assert_close(torch.from_numpy(out)[:, :columns], a[1] @ weight.t())


@jit
def add(a, b, t, width, out):
    panels.add_product(a, b, t, width, out)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_product_over_streams_is_added(dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(2, 5, size, generator=generator, dtype=dtype) for size in (27, 64))
    out = torch.ones(27, 64, dtype=dtype)
    add(a.numpy(), b.numpy(), 1, 2 * vectors.BYTES // out.element_size(), out.numpy())
    torch.testing.assert_close(out, 1 + a[1].t() @ b[1])
