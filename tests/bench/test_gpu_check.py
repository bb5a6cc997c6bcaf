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
    assert len(lines) == 29  # four cells: plain and fused; three have a vendor path; plain in float64 is the oracle
    assert all(line.startswith("ok ") for line in lines)


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
