"""What Lightning leaves to a module under manual optimisation: accumulation, clipping, schedulers, resuming."""

from typing import Any

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from artbp_exp import checks
from artbp_exp.errors import UserError
from artbp_exp.optimizers.length_aware import Adam

OWN = {"gradient_clip_val": (None, "gradient_clip_val"), "accumulate_grad_batches": (1, "accumulate_grad_segments")}
"""Setting of the Trainer that Lightning refuses under manual optimisation → (its default, the module's own setting)."""


class ManualUpdates(LightningModule):
    """A LightningModule that makes its updates itself. For its settings see `SegmentedModule`."""

    def __init__(
        self, *, accumulate_grad_segments: int, gradient_clip_val: float | None, lr_scheduler_monitor: str
    ) -> None:
        super().__init__()
        if gradient_clip_val is not None:
            gradient_clip_val = checks.number("gradient_clip_val", gradient_clip_val, above=0)
        self.automatic_optimization = False
        self.accumulate_grad_segments = checks.whole("accumulate_grad_segments", accumulate_grad_segments, at_least=1)
        self.gradient_clip_val, self.lr_scheduler_monitor = gradient_clip_val, lr_scheduler_monitor
        self._lengths: list[int] = []  # of the segments since the last update
        self._gradients: dict[str, Tensor] = {}  # of those segments, from a checkpoint

    def add_gradient(self, loss: Tensor | float, length: int, *, last: bool) -> None:
        """Adds the gradient of a segment's loss; makes an update when there are enough of them, or at the `last`."""
        self._put_back()
        self.manual_backward(self._with_gradient(loss))
        self._lengths.append(length)
        if last or len(self._lengths) == self.accumulate_grad_segments:
            self._update()

    def _with_gradient(self, loss: Tensor | float) -> Tensor:
        """The loss, with a gradient of zero where it has none: other processes, a scaler and Adam wait for one."""
        if isinstance(loss, Tensor) and loss.requires_grad:
            return loss
        return loss + 0.0 * torch.stack([p.sum() for p in self.parameters() if p.requires_grad]).sum()

    def _update(self) -> None:
        optimizer = self.optimizers()
        if not isinstance(optimizer, LightningOptimizer):
            got = f"{len(optimizer)} optimizers" if isinstance(optimizer, list) else type(optimizer).__name__
            raise UserError(f"configure_optimizers must return one optimizer for a SegmentedModule; got {got}")
        told: dict[str, Any] = {"length": sum(self._lengths)} if isinstance(optimizer.optimizer, Adam) else {}
        optimizer.step(**told)
        optimizer.zero_grad()
        self._lengths.clear()
        self._step_schedulers("step", self.trainer.global_step)

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Clips; a scaler has unscaled the gradient by then."""
        if self.gradient_clip_val is not None:
            self.clip_gradients(optimizer, self.gradient_clip_val, gradient_clip_algorithm="norm")

    def on_train_epoch_end(self) -> None:
        """Steps the schedulers of interval `epoch`."""
        self._step_schedulers("epoch", self.current_epoch + 1)

    def _step_schedulers(self, interval: str, count: int) -> None:
        for config in self.trainer.lr_scheduler_configs:
            if config.interval == interval and count % config.frequency == 0:
                watches = isinstance(config.scheduler, ReduceLROnPlateau)
                self.lr_scheduler_step(config.scheduler, self._monitored() if watches else None)

    def _monitored(self) -> Tensor:
        found = self.trainer.callback_metrics.get(self.lr_scheduler_monitor)
        if found is None:
            raise UserError(f"the scheduler reads {self.lr_scheduler_monitor!r}, which is not logged: log it")
        return found

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Adds the gradients that wait for the next update."""
        waiting = {name: p.grad for name, p in self.named_parameters() if self._lengths and p.grad is not None}
        checkpoint["artbp"] = {"lengths": list(self._lengths), "gradients": waiting}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Takes up what `on_save_checkpoint` added; a checkpoint of another module brings its weights alone."""
        kept = checkpoint.get("artbp", {"lengths": [], "gradients": {}})
        self._lengths, self._gradients = list(kept["lengths"]), dict(kept["gradients"])

    def _put_back(self) -> None:
        """The gradients of a checkpoint, once the parameters are on their device."""
        if self._gradients:
            for name, parameter in self.named_parameters():
                if name in self._gradients:
                    parameter.grad = self._gradients[name].to(parameter.device)
            self._gradients = {}

    def configure_callbacks(self) -> Any:
        """Names the module's own settings in place of those that Lightning refuses under manual optimisation."""
        for theirs, (default, own) in OWN.items():
            value = getattr(self.trainer, theirs)
            if value != default:
                raise UserError(
                    f"Trainer({theirs}={value}) is not available for a SegmentedModule, which makes its own updates: "
                    f"pass {own}={value} to the module instead"
                )
        return super().configure_callbacks()
