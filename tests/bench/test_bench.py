"""What the benchmark does with times; no test asserts a time."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from artbp_exp.autograd.fused import execution, products
from artbp_exp.bench import ablations, memory, scaling, throughput, timing
from artbp_exp.bench.contestants import STREAMS
from artbp_exp.cli import bench

CPU = torch.device("cpu")


def test_contestants_take_turns_and_the_first_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, turns = [0.0], []
    monkeypatch.setattr(timing.time, "perf_counter", lambda: clock[0])

    def contestant(name: str, seconds: float):
        def work() -> float:
            turns.append(name)
            # the first turn compiles, say
            clock[0] += seconds if len(turns) > 2 else 100.0
            return 6.0

        return work

    rates = timing.interleaved({"slow": contestant("slow", 3.0), "fast": contestant("fast", 1.5)}, repeats=3, label="")
    assert turns == ["slow", "fast"] * 4
    np.testing.assert_allclose(rates["slow"], [2, 2, 2])
    assert timing.ratio(rates["fast"], rates["slow"]) == {
        "ratio": 2.0,
        "lower_quartile": 2.0,
        "upper_quartile": 2.0,
        "repeats": 3,
    }


def test_a_ratio_is_taken_round_by_round() -> None:
    # a slow round of the machine hits both alike and leaves the ratio alone
    assert timing.ratio(np.array([10.0, 1.0, 10.0]), np.array([5.0, 0.5, 5.0]))["ratio"] == 2.0


def test_every_contestant_trains_as_many_steps_as_it_says() -> None:
    for name, work in throughput.contestants(4, CPU).items():
        done = work(60)
        assert 60 <= done < 6000, name
        if name.startswith("nn."):
            assert done == 100, name  # whole segments of 50


def test_every_ratio_names_contestants_that_there_are() -> None:
    names = throughput.contestants(4, CPU).keys()
    assert all({above, below} <= set(names) for _, above, below, _ in throughput.RATIOS)


def test_an_ablation_leaves_the_engine_as_it_was() -> None:
    before = (execution.is_whole, execution.has_numba, products.over_time_by_onednn)
    found = list(ablations.ablations(4, repeats=1, device=CPU, share=0.01))
    assert [row["device"] for row in found] == [name for name in ablations.WITHOUT if name != "all"]
    assert before == (execution.is_whole, execution.has_numba, products.over_time_by_onednn)


def test_a_bounded_segment_keeps_less_memory() -> None:
    peaks = [memory.long_segment(steps=1200, memory=limit, hidden=128)["peak_bytes"] for limit in (None, 60)]
    # the gates of the whole segment alone are 157 MB
    assert peaks[0] > 157e6
    assert peaks[1] < peaks[0] / 3


def test_what_is_written(tmp_path: Path) -> None:
    rates = {name: np.full(2, 100.0) for name in throughput.contestants(4, CPU)}
    frame = pd.DataFrame(
        [
            {"steps": 400, "memory": None, "peak_bytes": 100, "seconds": 1.0},
            {"steps": 4000, "memory": 300, "peak_bytes": 110, "seconds": 13.0},
            {"steps": 4000, "memory": None, "peak_bytes": 1000, "seconds": 10.0},
        ]
    )
    ratios = [*throughput.ratios(64, rates), *bench.memory_ratios(frame)]
    mean = [
        {"method": method, "mean_length": length, "hidden": 4, "median": 1e5, "least": 9e4, "greatest": 2e5}
        for method in ("artbp", "tbptt")
        for length in (10, 100)
    ]
    tables = {
        "throughput": list(timing.rows(rates, hidden=64)),
        "ratios": ratios,
        "ablations": [{"device": "x", "hidden": 64, "ratio": 1.5}],
        "sequence_length": [{**row, "sequence_length": row["mean_length"]} for row in mean if row["method"] == "artbp"],
        "mean_length": mean,
    }
    bench.write(tables, {"device": "a machine"}, tmp_path)
    table = (tmp_path / "table.md").read_text(encoding="utf-8")
    assert "| peak memory: hidden 256, 4000 steps, memory=300, ÷ 400 steps unbounded |  | ≤ 1.2 | 1.10 |" in table
    assert "| fused ÷ truncated nn.LSTM on one-hot | 64 | ≥ 1.5, missed | 1.00 | 1.00 – 1.00 | 2 |" in table
    assert "| x | 1.50 |" in (tmp_path / "ablations.md").read_text(encoding="utf-8")
    assert {path.name for path in tmp_path.iterdir()} >= {"bench.png", "machine.json", "throughput.csv", "ratios.csv"}


def test_what_was_measured_before_an_interruption_is_kept(tmp_path: Path) -> None:
    def interrupted() -> Iterator[tuple[str, bench.Rows]]:
        yield "ratios", [{"ratio": 1.5}]
        yield "ratios", [{"ratio": 2.5, "target": None}]
        raise KeyboardInterrupt

    file = tmp_path / bench.UNFINISHED
    with pytest.raises(KeyboardInterrupt, match=f"^interrupted; what was measured so far is in {re.escape(str(file))}"):
        bench.kept(interrupted(), file)
    assert json.loads(file.read_text(encoding="utf-8")) == {"ratios": [{"ratio": 1.5}, {"ratio": 2.5, "target": None}]}


def test_scaling_rows_say_what_was_varied() -> None:
    found = list(scaling.sequence_lengths([50, 100], repeats=1, device=CPU))
    assert [row["sequence_length"] for row in found] == [50, 100]
    assert all(row["median"] > 0 and STREAMS for row in found)


def test_products_and_shares_name_a_limit() -> None:
    found = list(throughput.products(16, repeats=1, device=CPU))
    by_dtype = {
        dtype: {row["contestant"] for row in found if row["dtype"] == dtype} for dtype in ("float32", "bfloat16")
    }
    assert by_dtype["float32"] == {"torch.mm", "oneDNN, packed", "own, Numba"}
    assert by_dtype["bfloat16"] == {"torch.mm", "oneDNN, packed"}
    rates = {name: np.array([1e5, 2e5, 3e5]) for name in ("artbp fused", "artbp fused bfloat16", "artbp plain")}
    first, low = list(throughput.shares(64, rates, {"float32": 1e12, "bfloat16": 4e12}))
    assert first["share of the limit"] == 2e5 * 6 * (4 * 64 * 64 + 50 * 64) / 1e12
    assert low["share of the limit"] == first["share of the limit"] / 4


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("--hidden abc", "whole numbers from 1 to 10000, with commas between them; got 'abc'"),
        ("--hidden 64,", "got '64,'"),
        ("--hidden 0", "got '0'"),
        ("--hidden 99999999999999999999", "got '99999999999999999999'"),
        ("--out file/below", "cannot write to file/below: Not a directory; name another folder with --out"),
    ],
)
def test_a_wrong_option_is_refused_before_anything_is_measured(
    arguments: str,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    monkeypatch.setattr("sys.argv", ["artbp-bench", *arguments.split()])
    monkeypatch.setattr(bench, "measure", lambda options: pytest.fail("measured"))
    with pytest.raises(SystemExit):
        bench.main()
    assert said in capsys.readouterr().err
