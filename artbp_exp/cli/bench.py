"""`artbp-bench`: measure the engines side by side and write what came out."""

import argparse
import json
import shlex
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import hydra
import pandas as pd
import torch

from artbp_exp import checks
from artbp_exp.bench import ablations, memory, scaling, throughput, timing
from artbp_exp.cli import config as conf
from artbp_exp.cli.errors import entry_point, path
from artbp_exp.evidence.figures.bench import bench as draw
from artbp_exp.evidence.figures.common import save
from artbp_exp.evidence.tables.markdown import markdown
from artbp_exp.files import strict_json, try_writing, write_atomically, writing
from artbp_exp.training.experiment import find_device

BOUND = 300
"""The default of `method.memory`, steps."""

LARGEST = 10_000
"""Hidden units: a layer of them, its gradient and what Adam remembers take 6.4 GB."""

REMEDY = "free the disk, or name another folder with --out"

UNFINISHED = "unfinished.json"
"""What was measured so far: rows, by the name of their CSV. The other files come when all is measured."""

Rows = list[dict[str, Any]]


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = argparse.ArgumentParser(
        prog="artbp-bench",
        description="Measure the engines against truncated torch.nn.LSTM and against a hand-written loop, interleaved "
        "in one process; write CSVs, a table and a figure into a folder. About twenty minutes on one core; --share 0.1 "
        "for a look. Freed memory is kept, so that no contestant pays for page faults. Until all is measured, what "
        f"came so far is in the folder's {UNFINISHED}.",
    )
    options.add_argument("--hidden", type=_sizes, default="64,256,1000", help="hidden sizes (default: 64,256,1000)")
    options.add_argument("--repeats", type=int, default=7, help="rounds (default: 7)")
    options.add_argument("--share", type=float, default=1.0, help="work a turn, as a share of the full (default: 1)")
    options.add_argument("--device", default="cpu", help="cpu, cuda or auto (default: cpu)")
    options.add_argument("--threads", type=int, default=1, help="of torch (default: 1)")
    options.add_argument("--out", type=path, default=Path("results/bench"), help="folder (default: results/bench)")
    return options


def _sizes(text: str) -> list[int]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and 0 < int(part) <= LARGEST for part in parts):
        raise argparse.ArgumentTypeError(
            f"must be whole numbers from 1 to {LARGEST}, with commas between them; got {text!r}"
        )
    return [int(part) for part in parts]


def measure(options: argparse.Namespace) -> Iterator[tuple[str, Rows]]:
    """Measures; yields rows, with the name of the CSV that they belong to, as soon as they are there."""
    repeats = checks.whole("--repeats", options.repeats, at_least=1)
    share = checks.number("--share", options.share, above=0)
    torch.set_num_threads(checks.whole("--threads", options.threads, at_least=1))
    device = find_device(options.device)
    timing.keep_memory()
    limits: dict[str, float] = {}
    for hidden in options.hidden:
        products = list(throughput.products(hidden, repeats=repeats, device=device))
        yield "products", products
        for row in products:
            limits[row["dtype"]] = max(row["median"], limits.get(row["dtype"], 0.0))
    for hidden in options.hidden:
        rates = throughput.throughput(hidden, repeats=repeats, device=device, share=share)
        yield "throughput", list(timing.rows(rates, hidden=hidden))
        yield "ratios", list(throughput.ratios(hidden, rates))
        shares = {row["contestant"]: row for row in throughput.shares(hidden, rates, limits)}
        yield "flops", list(shares.values())
        targets = {"artbp fused": throughput.SHARES.get(hidden), "nn.LSTM one-hot": None}
        targets |= {f"{name} bfloat16": None for name in targets}
        yield (
            "ratios",
            [
                {
                    "what": f"{name}: share of the fastest product's rate",
                    "hidden": hidden,
                    "ratio": shares[name]["share of the limit"],
                    "target": target,
                }
                for name, target in targets.items()
            ],
        )
        found = ablations.ablations(hidden, repeats=min(5, repeats), device=device, share=share)
        yield "ablations", list(found)
    fewer = min(3, repeats)
    scaled = [max(50, round(share * length)) for length in (1000, 2000, 4000, 8000, 16000)]
    yield "sequence_length", list(scaling.sequence_lengths(scaled, repeats=fewer, device=device))
    yield "mean_length", list(scaling.mean_lengths([10, 20, 50, 100, 200, 400], repeats=fewer, device=device))
    if device.type == "cpu":
        long = [
            memory.long_segment(steps=steps, memory=limit, hidden=256)
            for steps, limit in ((400, None), (4000, BOUND), (4000, None))
            for _ in range(fewer)
        ]
        yield "memory", long
        yield "ratios", memory_ratios(pd.DataFrame(long))
    with hydra.initialize_config_dir(conf.directory(), version_base="1.3"):
        config = conf.run_config(hydra.compose(conf.NAME, overrides=["task=synthetic", "method=artbp", "threads=1"]))
    rates = scaling.synthetic(config, max(2000, round(share * 10**6)), repeats)
    yield "synthetic", list(timing.rows(rates))
    rate = float(pd.Series(rates["fused"]).median())
    yield "ratios", [{"what": "synthetic, L0 = 16: steps per second ÷ 10⁶", "ratio": rate / 1e6, "target": 1.0}]
    starts = scaling.startup(repeats)
    help_ratio = timing.ratio(starts["import"], starts["artbp-run --help"])
    yield "ratios", [{"what": "time of artbp-run --help ÷ importing torch and hydra", **help_ratio, "target": 1.3}]


def kept(measured: Iterable[tuple[str, Rows]], file: Path) -> dict[str, Rows]:
    """All rows by the name of their CSV; `file` has those that came so far, whatever ends the program."""
    tables: dict[str, Rows] = {}
    try:
        for name, rows in measured:
            tables[name] = [*tables.get(name, []), *rows]
            with writing(file, REMEDY):
                write_atomically(file, lambda path: path.write_text(strict_json(tables), encoding="utf-8"))
    except KeyboardInterrupt as stop:
        if tables:
            stop.args = (f"{str(stop) or 'interrupted'}; what was measured so far is in {file}",)
        raise
    return tables


def memory_ratios(table: pd.DataFrame) -> Rows:
    """Peak memory and time of a bounded long segment, against a short one and against the unbounded."""

    def median(column: str, steps: int, *, bounded: bool) -> float:
        chosen = table[(table["steps"] == steps) & (table["memory"].notna() == bounded)]
        return float(chosen[column].median())

    long, short = 4000, median("peak_bytes", 400, bounded=False)
    what = f"hidden 256, 4000 steps, memory={BOUND},"
    time = median("seconds", long, bounded=True) / median("seconds", long, bounded=False)
    return [
        {
            "what": f"peak memory: {what} ÷ 400 steps unbounded",
            "ratio": median("peak_bytes", long, bounded=True) / short,
            "target": 1.2,
        },
        {"what": f"time: {what} ÷ unbounded", "ratio": time, "target": 1.4},
        {
            "what": "peak memory: hidden 256, 4000 steps unbounded ÷ 400 steps unbounded",
            "ratio": median("peak_bytes", long, bounded=False) / short,
        },
    ]


def write(tables: dict[str, Rows], machine: dict[str, Any], out: Path) -> None:
    """CSVs, `machine.json`, `table.md` and the figure, into a folder that is there."""
    frames = {name: pd.DataFrame(rows) for name, rows in tables.items()}
    for name, frame in frames.items():
        frame.to_csv(out / f"{name}.csv", index=False, float_format="%.6g")
    (out / "machine.json").write_text(json.dumps(machine, indent=2) + "\n", encoding="utf-8")
    (out / "ablations.md").write_text(ablation_table(frames["ablations"]), encoding="utf-8")
    (out / "table.md").write_text(ratio_table(frames["ratios"]), encoding="utf-8")
    save(draw(frames["throughput"], frames["sequence_length"], frames["mean_length"]), out / "bench")


def ratio_table(ratios: pd.DataFrame) -> str:
    """The ratios as a table, which says where a target is missed."""
    rows = []
    for row in ratios.to_dict("records"):
        number = {key: value for key, value in row.items() if not pd.isna(value)}
        most = "÷ 400 steps" in row["what"] or "time" in row["what"]
        target = f"{'≤' if most else '≥'} {number['target']:g}" if "target" in number else ""
        if target and (row["ratio"] > row["target"] if most else row["ratio"] < row["target"]):
            target += ", missed"
        between = f"{number['lower_quartile']:.2f} – {number['upper_quartile']:.2f}" if "repeats" in number else ""
        size = f"{number['hidden']:.0f}" if "hidden" in number else ""
        count = f"{number['repeats']:.0f}" if "repeats" in number else ""
        rows.append((row["what"], size, target, f"{row['ratio']:.2f}", between, count))
    return markdown(("what", "hidden", "target", "median", "quartiles", "n"), rows) + "\n"


def ablation_table(table: pd.DataFrame) -> str:
    """What each device of the fused engine is worth, as a table over hidden sizes."""
    sizes = sorted(table["hidden"].unique())
    rows = []
    for device, group in table.groupby("device", sort=False):
        ratios = group.set_index("hidden")["ratio"]
        rows.append([str(device), *(f"{ratios[size]:.2f}" for size in sizes)])
    return markdown(["rate with ÷ without", *(f"hidden {size}" for size in sizes)], rows) + "\n"


def main() -> None:
    """Entry point of `artbp-bench`."""
    with entry_point(reports=False):
        options = parser().parse_args()
        command = shlex.join(["artbp-bench", *sys.argv[1:]])
        with writing(options.out, "name another folder with --out"):  # before twenty minutes of work, not after
            try_writing(options.out)
        tables = kept(measure(options), options.out / UNFINISHED)
        with writing(options.out, REMEDY):
            write(tables, timing.machine(command, find_device(options.device)), options.out)
            (options.out / UNFINISHED).unlink(missing_ok=True)
        print((options.out / "table.md").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
