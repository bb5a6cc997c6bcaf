"""Table of the four arms in the authors' setting."""

from pathlib import Path

from artbp_exp.evidence import authors
from artbp_exp.evidence.authors_setting.runs import ARMS, EPOCHS, Setting


def table(results: Path) -> str:
    """The arms in the authors' setting at the last epoch that all have, beside the authors' logs."""
    setting = Setting.of(results)
    assert setting.epoch is not None
    assert setting.logs is not None
    logged = authors.at_epoch(setting.logs, setting.epoch)
    train, valid = (setting.at(setting.epoch, column) for column in ("train_bpc", "valid_bpc"))
    columns = [
        f"epoch {setting.epoch} of {EPOCHS}, a number a run",
        "training bpc",
        "validation bpc",
        "the authors' logs",
    ]
    lines = ["| " + " | ".join(columns) + " |", "| --- " * len(columns) + "|"]
    for arm, name in ARMS.items():
        own = [", ".join(f"{bpc:.3f}" for bpc in cells[arm].values()) for cells in (train, valid)]
        theirs = "{:.3f} ± {:.3f}".format(*logged[arm]) if arm in logged else "–"
        lines.append(f"| {' | '.join([name, *own, theirs])} |")
    return "\n".join(lines)
