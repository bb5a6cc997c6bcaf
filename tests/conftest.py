"""Shared material: a made-up corpus, and the real one where it is there."""

from pathlib import Path

import numpy as np
import pytest
import torch

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def made_up(tmp_path_factory) -> Path:
    """A folder with a small text of invented words: train.txt, valid.txt, test.txt."""
    folder = tmp_path_factory.mktemp("corpus")
    rng = np.random.default_rng(7)
    words = ["ba", "dolu", "kemi", "sat", "ori", "nu", "pelag", "vith"]
    for part, count in (("train", 2000), ("valid", 300), ("test", 300)):
        text = " ".join(rng.choice(words, size=count)) + "\n" + " ".join(words) + "\n"
        (folder / f"{part}.txt").write_text(text)
    return folder


@pytest.fixture(scope="session")
def real_corpus() -> Path | None:
    """The Penn Treebank files, None where they are not there."""
    for folder in (ROOT.parent / "shared" / "data" / "ptb", ROOT / "data" / "ptb"):
        if (folder / "ptb.train.txt").is_file():
            return folder
    return None


@pytest.fixture(scope="session")
def ptb_settings(real_corpus, made_up) -> dict:
    """Settings of the `ptb` task on the real corpus, or on the made-up one where that is not there."""
    if real_corpus is not None:
        return {"name": "ptb", "corpus": "text", "data_dir": str(real_corpus)}
    return {"name": "ptb", "corpus": "own", "data_dir": str(made_up)}
