"""`artbp-run` as a process: exit codes, one line for a mistake, and what is left on the disk."""

import json
import subprocess
from pathlib import Path

import pytest
import torch

from artbp_exp import registry
from tests.forked import artbp

QUICK = ("task.steps=200", "task.size=4", "task.positive=1")


def artbp_run(folder: Path, *overrides: str) -> subprocess.CompletedProcess[str]:
    return artbp("run", *overrides, folder=folder)


def files(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


# what is wrong → what the line says about it
MISTAKES = {
    "task=weather": f"task=weather is not known; valid: {', '.join(registry.names('task'))}",
    "method=atbp": "method=atbp is not known; did you mean artbp",
    "model=lst": "model=lst is not known; did you mean lstm",
    "method.lenght=3": "method.lenght is not a setting of method; did you mean length",
    "task=recall task.lagg=3": "did you mean lag? valid: batch_size, lag, rows, steps",
    "+method.lenght=3": "method.lenght is not a setting of method=artbp; did you mean length",
    "method.length=0": "method.length must be a number ≥ 1; got 0",
    "method=tbptt method.length=-1": "method.length must be a whole number ≥ 1; got -1",
    "method.length=abc": "got 'abc'",
    "method.alpha=2": "method.alpha must be > 2",
    "task.positive=30": "task.positive=30 is more than task.size=23",
    "task=ptb task.data_dir=nowhere": "task.data_dir=nowhere is not a folder",
    "seed=-1": "seed must be a whole number ≥ 0; got -1",
    "method.length=": "method.length",
    "method.length=a=b": "cannot read method.length=a=b: a value with spaces, a further =",
    "tbptt": "cannot read tbptt: a setting is given as name=value",
    "threads=1000000": "threads must be at most 1024; got 1000000",
    "method.alpha=1e308": "at most 1e+06 (by then it is the constant hazard)",
}
if not torch.cuda.is_available():
    MISTAKES["device=cuda"] = "device=cuda, but torch finds no CUDA device here"


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line_exit_code_2_and_no_file(tmp_path: Path, mistake: str) -> None:
    done = artbp_run(tmp_path, *mistake.split())
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stderr.startswith("error: ")
    assert MISTAKES[mistake] in done.stderr
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_more_streams_than_the_corpus_fills(tmp_path: Path, own_corpus: Path) -> None:
    done = artbp_run(tmp_path, "task=ptb", "task.corpus=own", f"task.data_dir={own_corpus}", "task.batch_size=9000")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "task.batch_size=9000 is larger than the corpus can fill" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_run_its_repetition_and_another_one_in_its_folder(tmp_path: Path) -> None:
    first = artbp_run(tmp_path, *QUICK, "run_dir=here")
    assert first.returncode == 0, first.stderr
    assert first.stdout.startswith("finished: loss ")
    assert files(tmp_path) == [
        f"here/{n}" for n in ("config.yaml", "metrics.csv", "model.pt", "segments.csv", "summary.json")
    ]
    before = {name: (tmp_path / name).read_bytes() for name in files(tmp_path)}
    summary = json.loads(before["here/summary.json"])
    assert summary.keys() >= {
        *("status", "task", "method", "length", "seed", "loss", "theta", "theta_optimal", "steps", "command"),
        *("git_commit", "git_dirty", "versions", "device", "threads", "peak_memory_mib", "wall_seconds"),
        "stored_numbers",
    }
    assert (summary["status"], summary["steps"], summary["seed"], summary["threads"]) == ("finished", 200, 0, 1)
    assert summary["command"] == "artbp-run task.steps=200 task.size=4 task.positive=1 run_dir=here"

    again = artbp_run(tmp_path, *QUICK, "run_dir=here")
    assert again.returncode == 0
    assert "already finished" in again.stdout

    other = artbp_run(tmp_path, *QUICK, "run_dir=here", "seed=1")
    assert other.returncode == 2
    assert len(other.stderr.splitlines()) == 1
    assert "seed=0 there, 1 now" in other.stderr
    assert {name: (tmp_path / name).read_bytes() for name in files(tmp_path)} == before


def test_a_sweep_makes_a_folder_a_run_and_does_the_others_when_one_is_wrong(tmp_path: Path) -> None:
    done = artbp_run(tmp_path, "-m", *QUICK, "method=tbptt,artbp", "method.length=8,0", "seed=0,1")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    mistakes = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(mistakes) == 4
    assert all("method.length" in line and "got 0" in line for line in mistakes)
    summaries = [json.loads(path.read_text()) for path in tmp_path.rglob("summary.json")]
    assert len(summaries) == 8
    found = {(s["method"], s["length"], s["seed"], s["status"]) for s in summaries}
    ended = {8: "finished", 0: "failed"}
    assert found == {(m, n, seed, ended[n]) for m in ("tbptt", "artbp") for n in (8, 0) for seed in (0, 1)}
    assert all("got 0" in s["reason"] for s in summaries if s["status"] == "failed")
    table = done.stdout[done.stdout.index("8 jobs: 4 finished, 4 failed") :].splitlines()
    assert len(table) == 5
    assert all("got 0" in line for line in table[1:])


def test_a_sweep_without_mistakes_exits_0(tmp_path: Path) -> None:
    done = artbp_run(tmp_path, "-m", *QUICK, "seed=0,1")
    assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.rglob("summary.json"))) == 2


def test_help_lists_the_choices(tmp_path: Path) -> None:
    done = artbp_run(tmp_path, "--help")
    assert done.returncode == 0
    choices = [f"{group}: {', '.join(registry.names(group))}" for group in ("method", "task", "model")]
    for words in ("usage: artbp-run", *choices, "seed"):
        assert words in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_a_mistake_too(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = artbp_run(tmp_path, *QUICK, "run_dir=file/run")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "Traceback" not in done.stderr
    assert files(tmp_path) == ["file"]
