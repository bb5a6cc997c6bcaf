"""The compiled element-wise functions against torch's."""

import numba
import numpy as np
import pytest
import torch

from artbp_exp.autograd.fused import jit


@numba.njit
def apply_exp(x, out):
    for j in range(x.size):
        out[j] = jit.exp(x[j])


@numba.njit
def apply_sigmoid(x, out):
    for j in range(x.size):
        out[j] = jit.sigmoid(x[j])


@numba.njit
def apply_tanh(x, out):
    for j in range(x.size):
        out[j] = jit.tanh(x[j])


@numba.njit
def apply_narrow(x, out):
    for j in range(x.size):
        jit.narrow(out, j, x[j])


@numba.njit
def apply_widen(x, out):
    for j in range(x.size):
        out[j] = jit.widen(x[j])


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 3e-7), (np.float64, 3e-15)])
def test_exp_sigmoid_and_tanh(dtype, tolerance) -> None:
    x = np.linspace(-60, 60, 100_001).astype(dtype)
    wide = torch.from_numpy(x.astype(np.float64))
    for mine, theirs in ((apply_exp, torch.exp), (apply_sigmoid, torch.sigmoid)):
        out = np.empty_like(x)
        mine(x, out)
        wanted = theirs(wide).numpy()
        assert np.max(np.abs(out / wanted - 1)) < tolerance * (40 if mine is apply_exp and dtype == np.float64 else 1)
    out = np.empty_like(x)
    apply_tanh(x, out)
    # near 0 tanh is a difference of numbers near 1: exact to the rounding of those
    assert np.max(np.abs(out - torch.tanh(wide).numpy())) < tolerance


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_far_out_they_saturate_and_nan_stays_nan(dtype) -> None:
    x = np.array([-np.inf, -1e30, -1000, 1000, 1e30, np.inf, np.nan], dtype=dtype)
    out = np.empty_like(x)
    apply_sigmoid(x, out)
    np.testing.assert_allclose(out[:6], [0, 0, 0, 1, 1, 1], atol=1e-30)
    assert np.isnan(out[6])
    apply_tanh(x, out)
    np.testing.assert_array_equal(out[:6], [-1, -1, -1, 1, 1, 1])
    assert np.isnan(out[6])


def test_bfloat16_is_rounded_as_torch_rounds_it() -> None:
    x = torch.randn(100_000, generator=torch.Generator().manual_seed(0)) * 10.0 ** torch.arange(100_000).remainder(9)
    bits = np.empty(x.numel(), dtype=np.int16)
    apply_narrow(x.numpy(), bits)
    wanted = x.to(torch.bfloat16)
    np.testing.assert_array_equal(bits, wanted.view(torch.int16).numpy())
    back = np.empty(x.numel(), dtype=np.float32)
    apply_widen(bits, back)
    np.testing.assert_array_equal(back, wanted.float().numpy())
