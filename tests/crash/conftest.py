"""What the crash tests have in common."""

from pathlib import Path

import pytest

from artbp_exp.runs import provenance
from tests.crash.runs import Settings, short


@pytest.fixture(autouse=True)
def without_git(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asking git takes longer than these runs."""
    monkeypatch.setattr(provenance, "_git", lambda folder: {"git_commit": None, "git_dirty": None})


@pytest.fixture
def settings(hydra_ready: None, own_corpus: Path, tmp_path: Path) -> Settings:
    """`settings("ptb", "name", …)`: a short run in the folder `name`."""
    return lambda task, name, *overrides: short(task, tmp_path / name, own_corpus, *overrides)
