"""The script for a GPU, tried on the CPU; and, where there is a GPU, the gradients on it."""

import importlib.util
import runpy
import sys
from itertools import cycle
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
    assert len(lines) == 29  # four cells: plain and fused; three have a vendor path; plain in float64 is the oracle
    assert all(line.startswith("ok ") for line in lines)


def test_a_gradient_that_is_nan_is_off_wherever_it_stands(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = importlib.util.spec_from_file_location("gpu_check", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    check = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(check)
    right = {"first": torch.ones(2), "second": torch.ones(2)}
    # wanted and found, of five segments; the fourth is spoilt
    turns = cycle([right] * 7 + [right | {"second": torch.full((2,), torch.nan)}] + [right] * 2)
    monkeypatch.setattr(check, "gradients", lambda *_: next(turns))
    monkeypatch.setattr(sys, "argv", ["gpu_check.py", "--device", "cpu", "--no-bench", "--hidden", "2"])
    assert check.main() == 1
    assert all(line.startswith("OFF") for line in capsys.readouterr().out.splitlines())


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["gpu_check.py"])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(SCRIPT, run_name="__main__")
    assert end.value.code == 2
    assert "no GPU is available here" in capsys.readouterr().err


def test_the_authors_setting_has_every_arm_for_every_seed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """scripts/paper_size.py: two seeds of the recipe's four arms, as commands that artbp-run takes."""
    begun: list[list[str]] = []

    class Ended:
        returncode = 0

        def __init__(self, command: list[str]) -> None:
            begun.append(command)

        def poll(self) -> int:
            return 0

    monkeypatch.setattr("subprocess.Popen", Ended)
    script = str(Path(SCRIPT).with_name("paper_size.py"))
    monkeypatch.setattr(sys, "argv", [script, "--device", "cpu", "--seeds", "3,4", "task.epochs=1"])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(script, run_name="__main__")
    assert end.value.code == 0
    assert capsys.readouterr().out.startswith("8 finished")
    arms = {tuple(word for word in command[1:] if word.startswith("method")) for command in begun}
    assert {tuple(sorted(arm)) for arm in arms} == {
        ("method=tbptt",),
        ("method=artbp",),
        ("method.reweight=false", "method=artbp"),
        ("method.phase=random", "method=tbptt"),
    }
    assert {command[-3] for command in begun} == {"seed=3", "seed=4"}
