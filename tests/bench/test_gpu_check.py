"""The script for a GPU, tried on the CPU; and, where there is a GPU, the gradients on it."""

import runpy
import sys
from pathlib import Path

import pytest
import torch

SCRIPT = str(Path(__file__).parents[2] / "scripts" / "gpu_check.py")
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"))]


@pytest.mark.parametrize("device", DEVICES)
def test_the_gradients_are_right(
    device: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["gpu_check.py", "--device", device, "--no-bench", "--hidden", "110"])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(SCRIPT, run_name="__main__")
    lines = capsys.readouterr().out.splitlines()
    assert end.value.code == 0, "\n".join(lines)
    assert len(lines) == 18  # four cells: plain and fused; three have a vendor path
    assert all(line.startswith("ok ") for line in lines)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["gpu_check.py"])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(SCRIPT, run_name="__main__")
    assert end.value.code == 2
    assert "no GPU is available here" in capsys.readouterr().err
