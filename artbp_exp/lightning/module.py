"""A LightningModule that trains on random segments."""

from typing import Any

import numpy as np
import torch
import torch.distributed
from torch import Tensor

from artbp_exp import checks
from artbp_exp.autograd import detach, leaves
from artbp_exp.distributed import shared_rng
from artbp_exp.errors import UserError
from artbp_exp.lightning.updates import ManualUpdates
from artbp_exp.truncation import Scheme, Segment
from artbp_exp.verification.user_loop import Verification, verify
from artbp_exp.verification.user_loop.segment_loss import SegmentLoss


class SegmentedModule(ManualUpdates):
    """A LightningModule that trains on the segments of each batch: what `truncated_bptt_steps` did until Lightning 2.0.

    With `artbp.artbp(…)` as its scheme the gradient is that of full BPTT on average (Tallec & Ollivier 2017, arXiv
    1705.08209, Proposition 1); with `artbp.tbptt(…)` it is what Lightning had. Write `segment_loss` and
    `configure_optimizers`; everything else of a LightningModule works as usual.

        class CharRNN(SegmentedModule):
            def __init__(self):
                super().__init__(artbp.artbp(length=35, alpha=4))
                self.rnn = nn.LSTM(64, 64, batch_first=True)

            def segment_loss(self, batch, start, segment, state):
                part = slice(start, start + segment.length)
                outputs, state = artbp.unroll_blocks(self.rnn, batch["x"][:, part], state, segment)
                return (outputs - batch["y"][:, part]).square().sum() / len(outputs), state

    A batch is one sequence of B streams: its state begins with `initial_state`, and its end ends the last segment
    without a draw. (A longer stream must not go on from batch to batch: it would be cut at the end of each, always
    there, which is biased.) Each segment makes one update, on its loss times the constant 1/L0, L0 = `scheme.length`
    (1/T for full BPTT), so that learning rates are those of a mean over steps. `train_loss`, the mean loss a step, is
    logged for each batch and epoch; it is comparable between schemes. Schedulers of interval `step` count updates.
    Checkpoints resume the cuts and accumulated gradients bit for bit; for one from the middle of an epoch Lightning
    needs a DataLoader that resumes, too (with `state_dict`). Under DDP all processes cut alike.

    An override of `on_before_optimizer_step`, `on_train_epoch_end`, `on_save_checkpoint`, `on_load_checkpoint` or
    `configure_callbacks` must call `super()`.

    Args:
        scheme: where to cut, `artbp.artbp(length=35, alpha=4)` say.
        seed: of the cuts, and of nothing else.
        accumulate_grad_segments: segments, of one batch or several, whose gradients are added up for one update.
        gradient_clip_val: largest norm of the gradient of an update; a longer one is scaled down, which biases it.
        lr_scheduler_monitor: the logged metric that a `ReduceLROnPlateau` reads; Lightning ignores `monitor` here.

    Raises:
        UserError: a value is out of range, or `scheme` is not a scheme.
    """

    def __init__(
        self,
        scheme: Scheme,
        *,
        seed: int = 0,
        accumulate_grad_segments: int = 1,
        gradient_clip_val: float | None = None,
        lr_scheduler_monitor: str = "train_loss",
    ) -> None:
        super().__init__(
            accumulate_grad_segments=accumulate_grad_segments,
            gradient_clip_val=gradient_clip_val,
            lr_scheduler_monitor=lr_scheduler_monitor,
        )
        if not isinstance(scheme, Scheme):
            raise UserError(f"scheme must be one of artbp.artbp(…), artbp.tbptt(…) or a Scheme; got {scheme!r}")
        self.scheme, self.seed = scheme, checks.whole("seed", seed)
        self._rng: np.random.Generator | None = None
        self._silent = False  # outside of training there is nothing to log to

    def segment_loss(self, batch: Any, start: int, segment: Segment, state: Any) -> tuple[Tensor | float, Any]:
        """Yours to define: the loss of the steps `start` … `start + segment.length − 1`, and the state after them.

        Args:
            batch: the whole batch.
            start: first step of the segment, counted from 0.
            segment: for `artbp.unroll`, `artbp.unroll_blocks` or `artbp.carry`.
            state: before that step, detached.

        Returns:
            The loss *summed* over these steps (a mean over streams is fine, one over steps is biased), 0 where there is
            none; and the next state.
        """
        raise NotImplementedError(f"{type(self).__name__} must define segment_loss(batch, start, segment, state)")

    def initial_state(self, batch: Any) -> Any:
        """The state before the first step of a batch: None, which torch's own modules take for zeros."""
        return None

    def sequence_length(self, batch: Any) -> int:
        """Steps T of a batch: the size of dimension 1 that its tensors have in common.

        Raises:
            UserError: they have none in common.
        """
        sizes = {tensor.shape[1] for tensor in leaves(batch) if tensor.dim() > 1}
        if len(sizes) != 1:
            raise UserError(
                f"the tensors of the batch have {sorted(sizes) or 'no'} steps in dimension 1: "
                f"define sequence_length(self, batch), which returns the number of steps"
            )
        return sizes.pop()

    def loop_body(self, batch: Any) -> SegmentLoss:
        """The training loop's body on one batch, for `artbp.verify` and `artbp.diagnose`. What it logs is dropped.

        >>> artbp.diagnose(model.loop_body(batch), model, state=model.initial_state(batch), steps=100)
        """

        def body(start: int, segment: Segment, state: Any) -> tuple[Tensor | float, Any]:
            self._silent = True
            try:
                return self._lost(batch, start, segment, state)
            finally:
                self._silent = False

        return body

    def log(self, *args: Any, **kwargs: Any) -> None:
        """Logs as any LightningModule; called by `verify` or `diagnose`, it does nothing."""
        if not self._silent:
            super().log(*args, **kwargs)

    def verify(self, batch: Any, scheme: Scheme | None = None, **options: Any) -> Verification:
        """Certifies that `segment_loss` has full BPTT's gradient on average, on the first steps of a batch.

        Args:
            batch: as `training_step` gets it, on the module's device.
            scheme: its lengths are best a few steps; None is the module's own.
            options: `steps` and `derivative` of `artbp.verify`.

        Raises:
            UserError: see `artbp.verify`.
        """
        return verify(self.loop_body(batch), self, scheme or self.scheme, state=self.initial_state(batch), **options)

    def training_step(self, batch: Any, batch_idx: int) -> None:
        """Trains on the segments of one batch."""
        if self._rng is None:
            self._rng = shared_rng(self.seed)
        steps = self._common(self.sequence_length(batch))
        state, total = self.initial_state(batch), torch.zeros((), device=self.device)
        for start, segment in self.scheme.segments(steps, self._rng):
            loss, state = self._lost(batch, start, segment, state)
            total = total + (loss.detach() if isinstance(loss, Tensor) else loss)
            last = self.trainer.is_last_batch and start + segment.length == steps
            self.add_gradient(loss / (self.scheme.length or steps), segment.length, last=last)
        # weighted by steps, so that an epoch's mean is one over steps, too
        mean = total / steps
        self.log("train_loss", mean, on_step=True, on_epoch=True, prog_bar=True, sync_dist=True, batch_size=steps)

    def _lost(self, batch: Any, start: int, segment: Segment, state: Any) -> tuple[Tensor | float, Any]:
        """What `segment_loss` returns, its state detached."""
        found = self.segment_loss(batch, start, segment, state)
        if not isinstance(found, tuple) or len(found) != 2:
            raise UserError(f"segment_loss must return (loss, next state); got {type(found).__name__}")
        return found[0], detach(found[1])

    def _common(self, steps: int) -> int:
        """T, if every process has the same; else one would wait for ever for another's update."""
        if self.trainer.world_size > 1:
            theirs: list[Any] = [None] * self.trainer.world_size
            torch.distributed.all_gather_object(theirs, steps)
            if any(other != steps for other in theirs):
                raise UserError(f"the processes have batches of {theirs} steps: pad each batch to the same number")
        return steps

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Adds the stream of cuts."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["artbp"]["cuts"] = None if self._rng is None else self._rng.bit_generator.state

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Takes up what `on_save_checkpoint` added; a checkpoint of another module brings its weights alone."""
        super().on_load_checkpoint(checkpoint)
        cuts = checkpoint.get("artbp", {}).get("cuts")
        if cuts is not None:
            self._rng = np.random.default_rng()
            self._rng.bit_generator.state = cuts
