"""`artbp_exp.lightning.SegmentedModule` with the real package: the hand-written loop, bit for bit, and around it."""

import os
import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.plugins import MixedPrecision
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import artbp_exp as artbp
from artbp_exp import lightning
from artbp_exp.errors import UserError
from artbp_exp.lightning import SegmentedModule

# Lightning's own: few workers, a Slurm that is installed, torch functions about to be renamed
pytestmark = pytest.mark.filterwarnings("ignore::Warning:lightning", "ignore:.*lr_scheduler.step.*:UserWarning")

ROOT = Path(__file__).resolve().parent.parent.parent
LENGTH, STEPS = 3, 12


class Mine(SegmentedModule):
    """A loss on the steps where the target is not nan: of the last rows, none in the second half."""

    def __init__(self, **options: Any) -> None:
        super().__init__(artbp.artbp(length=LENGTH, alpha=4), **options)
        torch.manual_seed(0)
        self.cell, self.head = nn.GRUCell(1, 3), nn.Linear(3, 1)
        self.norms: list[float] = []

    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        state = self.cell(x, state)
        return self.head(state), state

    def initial_state(self, batch: Any) -> Tensor:
        return batch[0].new_zeros(len(batch[0]), 3)

    def segment_loss(self, batch: Any, start: int, segment: artbp.Segment, state: Tensor) -> tuple[Tensor | float, Any]:
        x, y = (part[:, start : start + segment.length].transpose(0, 1) for part in batch)
        outputs, state = artbp.unroll(self.step, x, state, segment)
        self.log("outputs", outputs[-1].mean())  # dropped by verify
        there = ~y.isnan()
        if not there.any():
            return 0.0, state
        return (torch.stack(outputs) - y)[there].square().sum() / y.shape[1], state

    def configure_optimizers(self) -> Any:
        return artbp.Adam(self.parameters(), lr=0.02, length=LENGTH)

    def on_before_optimizer_step(self, optimizer: Any) -> None:
        super().on_before_optimizer_step(optimizer)
        self.norms.append(float(torch.stack([p.grad.norm() for p in self.parameters() if p.grad is not None]).norm()))


def sequences() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(4, STEPS, 1, generator=generator)
    y = x.roll(2, dims=1).clone()
    y[1::2, STEPS // 2 :] = torch.nan
    return x, y


def data(batch_size: int = 2) -> Any:
    return DataLoader(TensorDataset(*sequences()), batch_size=batch_size)


def trainer(folder: Path, **settings: Any) -> Trainer:
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "barebones": False}
    off = {"enable_checkpointing": False, "accelerator": "cpu", "default_root_dir": folder, "devices": 1}
    return Trainer(**{"max_epochs": 2, **quiet, **off, **settings})


def weights(module: nn.Module) -> Tensor:
    return torch.cat([p.detach().flatten() for p in module.parameters()])


def by_hand(module: Mine, epochs: int, accumulate: int = 1) -> tuple[int, float]:
    """The loop that the module stands for; (updates, mean loss a step of the last epoch)."""
    optimizer: Any = module.configure_optimizers()
    rng, updates, batches = np.random.default_rng(0), 0, list(data())
    for _ in range(epochs):
        waiting, total = [], 0.0
        for number, batch in enumerate(batches):
            state: Any = module.initial_state(batch)
            for start, segment in module.scheme.segments(STEPS, rng):
                loss, state = module.segment_loss(batch, start, segment, state)
                state = artbp.detach(state)
                if isinstance(loss, Tensor):
                    (loss / LENGTH).backward()
                total += float(torch.as_tensor(loss).detach())
                waiting.append(segment.length)
                if len(waiting) == accumulate or (number, start + segment.length) == (len(batches) - 1, STEPS):
                    optimizer.step(length=sum(waiting))
                    optimizer.zero_grad()
                    waiting, updates = [], updates + 1
    return updates, total / STEPS / len(batches)


@pytest.mark.parametrize("accumulate", [1, 3])
def test_it_is_the_loop_written_by_hand(accumulate: int, tmp_path: Path) -> None:
    module, same, run = Mine(accumulate_grad_segments=accumulate), Mine(), trainer(tmp_path)
    run.fit(module, data())
    updates, loss = by_hand(same, 2, accumulate)
    assert torch.equal(weights(module), weights(same))
    assert run.global_step == updates
    assert run.callback_metrics["train_loss"].item() == pytest.approx(loss, rel=1e-5)


def test_checkpoints_go_on_bit_for_bit(tmp_path: Path) -> None:
    whole = Mine(accumulate_grad_segments=4)
    trainer(tmp_path).fit(whole, data())
    half, run = Mine(accumulate_grad_segments=4), trainer(tmp_path, max_epochs=1)
    run.fit(half, data())
    run.save_checkpoint(tmp_path / "half.ckpt")
    rest = Mine(accumulate_grad_segments=4)
    trainer(tmp_path).fit(rest, data(), ckpt_path=tmp_path / "half.ckpt")
    assert torch.equal(weights(rest), weights(whole))
    other = Mine()
    other.on_load_checkpoint({})  # weights of other training alone
    assert other._rng is None


class Resumable:
    """A loader that knows where it stands, as Lightning asks of one that is to go on within an epoch."""

    def __init__(self) -> None:
        self.batches, self.done = list(data(batch_size=1)), 0

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[Any]:
        while self.done < len(self.batches):
            self.done += 1
            yield self.batches[self.done - 1]
        self.done = 0

    def state_dict(self) -> dict[str, int]:
        return {"done": self.done}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.done = state["done"]


def test_a_checkpoint_within_an_epoch_holds_accumulated_gradients(tmp_path: Path) -> None:
    keep = ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=1, save_top_k=-1)
    whole, run = Mine(accumulate_grad_segments=4), trainer(tmp_path, enable_checkpointing=True, callbacks=[keep])
    run.fit(whole, Resumable())
    paths = sorted(tmp_path.glob("*.ckpt"))
    assert any(torch.load(path, weights_only=False)["artbp"]["lengths"] for path in paths)
    for path in paths:
        rest = Mine(accumulate_grad_segments=4)
        trainer(tmp_path).fit(rest, Resumable(), ckpt_path=path)
        assert torch.equal(weights(rest), weights(whole)), path


@pytest.mark.parametrize(
    "settings",
    [
        {"precision": "bf16-mixed"},
        {"plugins": MixedPrecision("16-mixed", "cpu", torch.amp.GradScaler("cpu", init_scale=1024.0))},
        {"precision": "64-true"},
    ],
    ids=["bf16-mixed", "16-mixed with a scaler", "64-true"],
)
def test_precision_and_clipping(settings: dict[str, Any], tmp_path: Path) -> None:
    module = Mine(gradient_clip_val=0.05)
    before = weights(module)
    trainer(tmp_path, max_epochs=1, **settings).fit(module, data())
    assert max(module.norms) == pytest.approx(0.05, rel=0.01)  # clipped once the scale is out
    assert (weights(module) - before).abs().max() > 0.01


def test_it_is_certified_and_a_mean_over_steps_is_refuted() -> None:
    class Mean(Mine):
        def segment_loss(self, batch: Any, start: int, segment: artbp.Segment, state: Tensor) -> tuple[Any, Any]:
            loss, state = super().segment_loss(batch, start, segment, state)
            return loss / segment.length, state

    x, y = sequences()
    assert Mine().verify((x, y), steps=5).certified
    assert "a mean over the segment's actual length" in str(Mean().verify((x, y.nan_to_num()), steps=5))


class Scheduled(Mine):
    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.SGD(self.parameters(), lr=0.01)
        every_update = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.5)
        every_epoch = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda _: 1.0)
        plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer)
        self.schedulers = (every_update, every_epoch, plateau)
        return [optimizer], [{"scheduler": every_update, "interval": "step", "frequency": 2}, every_epoch, plateau]


def test_schedulers_are_stepped(tmp_path: Path) -> None:
    module, run = Scheduled(), trainer(tmp_path)
    run.fit(module, data())
    assert module.verify(sequences(), steps=4).certified  # what segment_loss logs has nowhere to go, and is dropped
    assert [s.last_epoch for s in module.schedulers] == [run.global_step // 2, 2, 2]
    with pytest.raises(UserError, match="reads 'nothing', which is not logged"):
        trainer(tmp_path).fit(Scheduled(lr_scheduler_monitor="nothing"), data())


def test_mistakes_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Two(Mine):
        def configure_optimizers(self) -> Any:
            return [torch.optim.SGD([p], lr=0.1) for p in self.head.parameters()]

    class Alone(Mine):
        def segment_loss(self, batch: Any, start: int, segment: artbp.Segment, state: Tensor) -> Any:
            return super().segment_loss(batch, start, segment, state)[0]

    wrong: Any = 35
    with pytest.raises(UserError, match=r"scheme must be one of artbp.artbp\(…\).*got 35"):
        SegmentedModule(wrong)
    with pytest.raises(UserError, match="gradient_clip_val must be a number > 0; got 0"):
        Mine(gradient_clip_val=0.0)
    with pytest.raises(UserError, match=r"pass gradient_clip_val=1.5 to the module"):
        trainer(tmp_path, gradient_clip_val=1.5).fit(Mine(), data())
    with pytest.raises(UserError, match=r"pass accumulate_grad_segments=2 to the module"):
        trainer(tmp_path, accumulate_grad_batches=2).fit(Mine(), data())
    with pytest.raises(UserError, match="must return one optimizer for a SegmentedModule; got 2 optimizers"):
        trainer(tmp_path).fit(Two(), data())
    with pytest.raises(UserError, match=r"segment_loss must return \(loss, next state\); got Tensor"):
        trainer(tmp_path).fit(Alone(), data())
    with pytest.raises(NotImplementedError, match="SegmentedModule must define segment_loss"):
        SegmentedModule(artbp.bptt()).loop_body(None)(0, artbp.bptt().segment(1), None)
    with pytest.raises(UserError, match=r"have \[2, 3\] steps in dimension 1: define sequence_length"):
        Mine().sequence_length((torch.zeros(1, 2), torch.zeros(1, 3)))
    module = Mine()
    module._trainer = trainer(tmp_path)
    monkeypatch.setattr(Trainer, "world_size", 2)
    monkeypatch.setattr(torch.distributed, "all_gather_object", lambda found, steps: found.__setitem__(0, steps + 1))
    with pytest.raises(UserError, match=r"the processes have batches of \[6, None\] steps: pad"):
        module._common(5)


def test_without_lightning_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lightning.pytorch", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'artbp-exp\[lightning\]'"):
        runpy.run_path(str(lightning.__file__))


def work(folder: str) -> None:
    """Two processes by fork, before anything has run here: neither imports all of it again."""
    torch.set_num_threads(1)
    keep = ModelCheckpoint(folder, filename="two", save_top_k=1)
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    settings: Any = {"devices": 2, "strategy": "ddp_fork", "precision": "64-true", "enable_checkpointing": True}
    trainer(Path(folder), callbacks=[keep], **settings).fit(Mine(), data())


@pytest.mark.skipif(not torch.distributed.is_gloo_available(), reason="this build of torch has no gloo")
def test_two_processes_are_one_with_all_the_streams(tmp_path: Path) -> None:
    """The second process has no loss in the second half of its sequences, and takes part all the same."""
    code = f"from tests.api.test_lightning import work; work({str(tmp_path)!r})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert (tmp_path / "two.ckpt").is_file(), done.stderr  # gloo may abort a process that has done its work
    alone, run = Mine(), trainer(tmp_path, precision="64-true")
    run.fit(alone, data(batch_size=4))
    run.save_checkpoint(tmp_path / "one.ckpt")
    one, two = (torch.load(tmp_path / f"{name}.ckpt", weights_only=False) for name in ("one", "two"))
    assert one["artbp"]["cuts"] == two["artbp"]["cuts"]
    for name, value in one["state_dict"].items():
        torch.testing.assert_close(value, two["state_dict"][name], rtol=1e-9, atol=1e-12)
