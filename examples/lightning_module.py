"""Lightning: sequences of each batch cut at random, as `truncated_bptt_steps` cut them at equal places until 2.0.

`SegmentedModule` cuts, carries the state, detaches it, makes the updates and logs the loss; `segment_loss` says what is
lost on a segment, summed over its steps. Everything else is an ordinary LightningModule. The task: a running average of
a random signal, smoothed more strongly where a second input says so.

Expected output (seconds on one core):

    train_loss: 1.8 % of the target's variance
    val_loss: 2.3 % of the target's variance
    certified: True
"""

import torch
from lightning.pytorch import Trainer, seed_everything
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split

import artbp_exp as artbp
from artbp_exp.lightning import SegmentedModule

LENGTH, STEPS = 12, 100


class Smoother(SegmentedModule):
    def __init__(self, hidden=24, lr=1e-2):
        super().__init__(artbp.artbp(length=LENGTH, alpha=5), gradient_clip_val=1.0)
        self.save_hyperparameters()
        self.gru = nn.GRU(2, hidden, batch_first=True)
        self.head = nn.Linear(hidden, 1)

    def segment_loss(self, batch, start, segment, state):
        x, y = batch
        part = slice(start, start + segment.length)
        outputs, state = artbp.unroll_blocks(self.gru, x[:, part], state, segment)
        return (self.head(outputs) - y[:, part]).square().sum() / len(x), state  # a mean over streams, a sum over steps

    def validation_step(self, batch, batch_idx):
        steps = self.sequence_length(batch)
        loss, _ = self.segment_loss(batch, 0, artbp.bptt().segment(steps), None)
        self.log("val_loss", loss / steps)

    def configure_optimizers(self):
        return artbp.Adam(self.parameters(), lr=self.hparams.lr, length=LENGTH)


def load_sequences(count=192):
    signal, slow = torch.randn(count, STEPS), (torch.rand(count, 1) < 0.5).float().expand(count, STEPS)
    average, level = [], torch.zeros(count)
    for value in signal.t():
        level = torch.where(slow[:, 0] > 0, 0.95 * level + 0.05 * value, 0.6 * level + 0.4 * value)
        average.append(level)
    return TensorDataset(torch.stack([signal, slow], dim=-1), torch.stack(average, dim=1)[:, :, None])


seed_everything(0, verbose=False)
train, validation = random_split(load_sequences(), [160, 32])
model = Smoother()
trainer = Trainer(max_epochs=3, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False)
trainer.fit(model, DataLoader(train, batch_size=16, shuffle=True), DataLoader(validation, batch_size=32))
for name in ("train_loss", "val_loss"):
    share = trainer.callback_metrics[name] / validation[:][1].square().mean()
    print(f"{name}: {100 * share:.1f} % of the target's variance")
print("certified:", model.verify(train[:4], artbp.artbp(length=3, alpha=4), steps=6).certified)
