"""Fixtures: composed settings, a made-up corpus, and the real one where it is."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hydra
import pytest
import torch
from hydra.core.global_hydra import GlobalHydra

from artbp_exp.cli import config as conf
from artbp_exp.run_config import RunConfig

ROOT = Path(__file__).resolve().parent.parent


LONGEST = "test_killed_at[every operation]"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest test first, or one process would be left with it when the others are done."""
    items.sort(key=lambda item: item.name != LONGEST)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Runs may set torch's threads; the next test must not inherit that."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def hydra_ready() -> Iterator[None]:
    """Hydra initialised on the project's configurations, as inside a job."""
    GlobalHydra.instance().clear()
    with hydra.initialize_config_dir(conf.directory(), version_base="1.3"):
        yield


@pytest.fixture
def compose(hydra_ready: None) -> Callable[..., dict[str, Any]]:
    """`compose("task=ptb", …)` → plain settings, as a run gets them."""
    return lambda *overrides: conf.run_config(hydra.compose(conf.NAME, overrides=list(overrides))).plain()


@pytest.fixture
def configure(hydra_ready: None) -> Callable[..., RunConfig]:
    """`configure("task=ptb", …)` → the configuration of a run."""
    return lambda *overrides: conf.run_config(hydra.compose(conf.NAME, overrides=list(overrides)))


def made_up_text(symbols: int, seed: int) -> str:
    """Words of a made-up language, some frequent and some rare, a line end now and then; ASCII."""
    rng = random.Random(seed)
    words = ["the", "<unk>", "of", "N", "quick", "brown", "fox", "jumps", "over", "lazy", "dog", "vow", "zebra", "milk"]
    text = ""
    while len(text) < symbols:
        text += words[int(len(words) * rng.random() ** 2)] + (" \n" if rng.random() < 0.1 else " ")
    return text[:symbols]


@pytest.fixture(scope="session")
def own_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a made-up corpus for `task.corpus=own`."""
    folder = tmp_path_factory.mktemp("corpus")
    for seed, (part, symbols) in enumerate({"train": 4000, "valid": 700, "test": 600}.items()):
        (folder / f"{part}.txt").write_text(made_up_text(symbols, seed), encoding="ascii")
    return folder


@pytest.fixture(scope="session")
def real_corpus() -> Path | None:
    """Folder of the real Penn Treebank, None where it is not."""
    for folder in (ROOT.parent / "shared" / "data" / "ptb", ROOT / "data" / "ptb"):
        if (folder / "ptb.train.txt").is_file():
            return folder
    return None


@pytest.fixture(scope="session")
def corpus_settings(real_corpus: Path | None, own_corpus: Path) -> dict[str, Any]:
    """Settings of `task` that read the real corpus, or the made-up one where the real one is absent."""
    if real_corpus is None:
        # fewer streams, so that each is long enough for several segments
        return {"corpus": "own", "data_dir": str(own_corpus), "batch_size": 4}
    return {"corpus": "text", "data_dir": str(real_corpus)}
