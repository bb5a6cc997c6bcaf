"""The report is made from CSVs alone, says what is missing, and needs no other file."""

import html
import json
import math
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from artbp_exp.errors import UserError
from artbp_exp.records.load import load_runs
from artbp_exp.report import length_claims
from artbp_exp.report.claim import NOT_YET, Claim, interval
from artbp_exp.report.exact_claims import exact_claims
from artbp_exp.report.page import markdown, page
from artbp_exp.report.pictures import PICTURES, diagnosis_pictures
from artbp_exp.report.ptb_claims import TIERS, arms, leads, ptb_claims
from artbp_exp.report.statistics import bare, sign_verdict, spread, without_chance
from artbp_exp.report.synthetic_claims import LEARNING_RATES, SEEDS, SEEDS_OF_RATES, of, synthetic_claims
from artbp_exp.report.write import all_claims, write_report
from tests.conftest import ROOT

pytestmark = pytest.mark.filterwarnings("ignore:.*constrained_layout.*:UserWarning")


def ptb_run(
    results: Path, method: dict[str, Any], *, carry: bool, seed: int, valid: float, folder: str = "ptb_tier1"
) -> None:
    name = "-".join(str(value) for value in (*method.values(), carry))
    run = results / folder / "ptb" / name / f"seed{seed}"
    run.mkdir(parents=True)
    config = {
        "method": {"length": 50, "schedule": "paper", "alpha": 4} | method,
        "task": {"name": "ptb", "carry_state": carry, "epochs": 10},
        "model": {"name": "lstm", "hidden_size": 256},
        "optimizer": {"lr": 1e-3},
        "seed": seed,
    }
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    summary = {"valid_bpc": valid, "test_bpc": valid - 0.05, "status": "finished", "method": method["name"]}
    (run / "summary.json").write_text(json.dumps(summary | {"length": 50}))
    (run / "metrics.csv").write_text(f"epoch,step,valid_bpc\n1,10,{valid + 0.3}\n2,20,{valid}\n")


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A results folder with ARTBP ahead of truncated BPTT by 0.02 on three seeds, carried only."""
    folder = tmp_path / "results"
    shutil.copytree(ROOT / "results" / "authors", folder / "authors")
    for seed in range(3):
        ptb_run(folder, {"name": "artbp"}, carry=True, seed=seed, valid=1.65 + 0.01 * seed)
        ptb_run(folder, {"name": "tbptt"}, carry=True, seed=seed, valid=1.67 + 0.011 * seed)
        if seed < 2:
            ptb_run(folder, {"name": "artbp", "reweight": False}, carry=True, seed=seed, valid=1.65)
    return folder


def find(claims: list[Claim], *words: str) -> Claim:
    (found,) = [claim for claim in claims if all(word in claim.claim for word in words)]
    return found


def test_a_lead_on_every_seed_holds_and_is_paired_by_seed(results: Path) -> None:
    claim = find(ptb_claims(results), "truncated BPTT, valid", "256", "carried")
    assert claim.verdict == "holds"
    assert claim.spread is not None
    assert claim.spread.points == pytest.approx((0.02, 0.021, 0.022))
    assert claim.note.startswith("seeds 0, 1, 2; t-test of a difference of 0: p = 0.0007")


def test_two_seeds_settle_nothing_and_what_is_missing_is_said(results: Path) -> None:
    claim = find(ptb_claims(results), "random cuts", "valid", "carried")
    assert claim.verdict == "not settled"
    assert claim.seeds == 2
    assert claim.note == "seeds 0, 1; missing: random cuts, not reweighted (carried) seed 2"
    reset = find(ptb_claims(results), "truncated BPTT, test", "256", "reset")
    assert reset.verdict == NOT_YET
    assert "truncated BPTT (reset) seed 0, 1, 2" in reset.note


def interrupt(results: Path, arm: str, seed: int) -> None:
    """As if it had been stopped after its first epoch."""
    (path,) = (results / "ptb_tier1").glob(f"ptb/{arm}-True/seed{seed}/summary.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"status": "interrupted"}))
    metrics = path.with_name("metrics.csv")
    metrics.write_text("".join(metrics.read_text().splitlines(keepends=True)[:2]))


def test_a_run_that_has_not_ended_is_missing_and_how_far_it_is_is_said(results: Path) -> None:
    interrupt(results, "tbptt", 2)
    claim = find(ptb_claims(results), "truncated BPTT, valid", "256", "carried")
    assert claim.seeds == 2
    assert claim.note == (
        "seeds 0, 1; missing: truncated BPTT (carried) seed 2; seed 2 so far, which is not the result: valid bpc at "
        "the end of epoch 1 of 10: ARTBP 1.970, truncated BPTT 1.992"
    )
    (results / "ptb_tier1" / "ptb" / "tbptt-True" / "seed2" / "summary.json").unlink()  # killed: not even that
    assert find(ptb_claims(results), "truncated BPTT, valid", "256", "carried") == claim


def test_the_leads_that_are_drawn_are_those_of_the_table(results: Path) -> None:
    claim = find(ptb_claims(results), "truncated BPTT, valid", "256", "carried")
    assert leads(results)["LSTM, 256 units, 10 epochs; state carried"]["truncated BPTT"]["valid"] == claim.spread
    assert list(leads(results)) == ["LSTM, 256 units, 10 epochs; state carried"]


def test_a_seed_that_was_run_again_says_how_far_rounding_moves_a_lead(results: Path) -> None:
    assert not [claim for claim in ptb_claims(results) if "rounding" in claim.claim]
    ptb_run(results, {"name": "artbp"}, carry=True, seed=1, valid=1.64, folder="ptb_rounding")
    ptb_run(results, {"name": "tbptt"}, carry=True, seed=1, valid=1.65, folder="ptb_rounding")
    claim = find(ptb_claims(results), "rounding")
    assert claim.spread is not None
    assert claim.spread.points == pytest.approx((0.011,))
    assert claim.note == "seed 1: +0.021, run again +0.010"
    assert claim.verdict == "measured"


def diverge(results: Path, arm: str, seed: int) -> None:
    (path,) = (results / "ptb_tier1").glob(f"ptb/{arm}-True/seed{seed}/summary.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"status": "diverged"}))


def test_a_diverged_run_is_named_and_its_best_epoch_not_counted(results: Path) -> None:
    diverge(results, "tbptt", 2)
    claim = find(ptb_claims(results), "truncated BPTT, valid", "256", "carried")
    assert claim.seeds == 2
    assert claim.note == "seeds 0, 1; diverged: truncated BPTT (carried) seed 2"


def test_artbp_is_not_ahead_if_it_diverged_on_some_seed(results: Path) -> None:
    for seed in (3, 4):
        ptb_run(results, {"name": "artbp"}, carry=True, seed=seed, valid=1.6)
        ptb_run(results, {"name": "tbptt"}, carry=True, seed=seed, valid=1.62 + 0.001 * seed)
    assert find(ptb_claims(results), "truncated BPTT, valid", "256", "carried").verdict == "holds"
    diverge(results, "artbp", 4)
    claim = find(ptb_claims(results), "truncated BPTT, valid", "256", "carried")
    assert claim.seeds == 4
    assert claim.verdict == "not settled"
    assert claim.note.endswith("diverged: ARTBP (carried) seed 4")


def test_the_lead_with_reset_is_compared_on_the_seeds_that_have_both(results: Path) -> None:
    for seed, lead in ((1, 0.05), (2, 0.06), (3, 0.5)):
        ptb_run(results, {"name": "artbp"}, carry=False, seed=seed, valid=1.6)
        ptb_run(results, {"name": "tbptt"}, carry=False, seed=seed, valid=1.6 + lead)
    claim = find(ptb_claims(results), "larger where the state is reset", "256")
    assert claim.spread is not None
    assert claim.spread.points == pytest.approx((0.05 - 0.021, 0.06 - 0.022))
    assert claim.note.startswith("seeds 1, 2; missing: ARTBP (reset) seed 0")


def test_a_run_with_other_settings_is_another_experiment(results: Path) -> None:
    for seed in range(3):
        ptb_run(results, {"name": "artbp", "alpha": 8}, carry=True, seed=seed, valid=9.0)
    assert find(ptb_claims(results), "truncated BPTT, valid", "256", "carried").verdict == "holds"


def test_the_html_needs_no_other_file(results: Path) -> None:
    _, written = write_report(results)
    text = (results / "report.html").read_text(encoding="utf-8")
    assert written == [results / "report.md", results / "report.html"]
    assert "width=device-width" in text
    assert text.count("data:image/png;base64,") >= 2
    assert "<script" not in text
    assert not re.search(r'(src|href)="(?!data:)', text)
    linked = re.findall(r"\]\((.*?\.png)\)", (results / "report.md").read_text(encoding="utf-8"))
    assert linked
    assert all((results / path).is_file() for path in linked)


class Nesting(HTMLParser):
    """Fails where a tag is closed that is not the innermost open one; collects the attributes of images."""

    VOID = ("meta", "img", "br", "input")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.alts: list[str | None] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        if tag == "img":
            self.alts.append(dict(attrs).get("alt"))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_tags_nest_and_figures_stand_in_their_sections_described_and_to_be_enlarged(results: Path) -> None:
    write_report(results)
    text = (results / "report.html").read_text(encoding="utf-8")
    pages = Nesting()
    pages.feed(text)
    assert pages.open == []
    assert pages.seen.count("label") == pages.seen.count("input") == len(pages.alts)
    captions = [picture.caption for picture in PICTURES if picture.name in ("ptb_evidence", "paired_seeds")]
    assert pages.alts == captions
    assert text.index("<h2>Penn Treebank") < text.index("<img") < text.index("<h2>The authors")


def test_a_figure_of_the_diagnosis_is_captioned_in_words_without_its_command(results: Path) -> None:
    folder = results / "diagnose" / "ptb"
    folder.mkdir(parents=True)
    shutil.copy(ROOT / "results" / "diagnose" / "ptb" / "influence.png", folder)
    (folder / "influence.txt").write_text("ptb: influence against the lag. Made by `artbp-diagnose task=ptb`.\n")
    assert list(diagnosis_pictures(results)) == [
        (folder / "influence.png", "Penn Treebank, a trained LSTM: influence against the lag.")
    ]


def test_it_is_the_same_twice(results: Path) -> None:
    write_report(results)
    first = (results / "report.html").read_bytes()
    write_report(results)
    assert (results / "report.html").read_bytes() == first


def test_nothing_measured_is_a_report_too(tmp_path: Path) -> None:
    (tmp_path / "ptb_tier1").mkdir()
    claims, _ = write_report(tmp_path)
    assert {claim.verdict for claim in claims} == {NOT_YET}


def test_every_row_has_a_command_and_shows_in_both_pages(results: Path) -> None:
    claims = all_claims(results)
    one, other = markdown(claims, [], []), page(claims, [], [])
    for claim in claims:
        assert claim.command
        assert claim.claim.replace("|", "∣") in one
        assert claim.verdict in other
        for command in claim.command.split("; "):
            assert one.count(f"    {command}\n") == other.count(f"<code>{html.escape(command)}</code>") == 1


def test_the_committed_evidence_gives_the_verdicts_that_it_should() -> None:
    claims = all_claims(ROOT / "results")
    assert find(claims, "6 broken variants").verdict == "holds"
    assert find(claims, "L = 100 runs away").verdict == "holds"
    assert find(claims, "converges, on every seed").verdict == "holds"
    assert find(claims, "costs, on average").verdict == "holds"


def test_what_draws_nothing_counts_once() -> None:
    away = find(synthetic_claims(ROOT / "results"), "L = 100 runs away")
    assert away.counted == "1 run"
    assert away.note.endswith("deterministic: its seeds coincide")
    assert interval(away.spread) == "–"


@pytest.mark.parametrize("length", [10, 100])
def test_one_run_that_comes_nearer_is_enough_to_refute_that_all_run_away(length: int, tmp_path: Path) -> None:
    for run in of(load_runs(ROOT / "results" / "learning_rates"), "tbptt", length):
        shutil.copytree(run.path, tmp_path / run.path.relative_to(ROOT / "results"))
    assert find(synthetic_claims(tmp_path), f"L = {length} runs away").verdict == "holds"
    (one,) = (
        run
        for run in of(load_runs(tmp_path), "tbptt", length)
        if run.config["optimizer"]["lr"] == 1e-4 and run.config["seed"] == 0
    )
    half = (0.5 + one.summary["theta_optimal"]) / 2  # from ½ half the way to θ*
    (one.path / "summary.json").write_text(json.dumps(one.summary | {"theta": half, "status": "finished"}))
    claim = find(synthetic_claims(tmp_path), f"L = {length} runs away")
    assert claim.verdict == "does not hold"
    assert claim.spread is not None
    assert min(claim.spread.points) == pytest.approx(-math.log10(2))
    assert "smallest growth at η = 0.0001: -50 %" in claim.note


def test_costs_are_those_of_the_lengths(tmp_path: Path) -> None:
    counts = {0: {16: 1000}, 1: {1: 500, 31: 500}}
    for seed, lengths in counts.items():
        folder = tmp_path / "influence_balancing" / f"seed{seed}"
        folder.mkdir(parents=True)
        config = {"method": {"name": "artbp", "length": 16}, "model": {"theta": 0.5}, "seed": seed}
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
        summary = {"status": "finished", "theta": 0.0, "theta_optimal": -1 / 6}
        (folder / "summary.json").write_text(json.dumps(summary))
        rows = "".join(f"{length},{count}\n" for length, count in lengths.items())
        (folder / "segments.csv").write_text(f"length,count\n{rows}")
    # segments of 16 steps have 7½ stored on average, as truncated BPTT has; those of 1 and of 31 by turns 31·15/32
    cost, stored = (find(synthetic_claims(tmp_path), words) for words in ("costs, on average", "in memory"))
    assert cost.spread is not None
    assert stored.spread is not None
    assert cost.spread.points == pytest.approx((1.0, 1.0))
    assert stored.spread.points == pytest.approx((1.0, 31 * 15 / 32 / 7.5))


def test_a_folder_without_any_of_the_evidence_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none of this repository's evidence .*artbp-figures curves --results"):
        write_report(tmp_path)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not a folder"):
        write_report(tmp_path / "nowhere")


def test_spread_and_verdict() -> None:
    assert spread([1.0, 2.0]).low is None
    assert spread([2.0, 2.0, 2.0]).low == 2.0
    assert without_chance([2.0, 2.0, 2.0]) == (bare([2.0]), "deterministic: its seeds coincide")
    assert without_chance([2.0, 2.0, 3.0]) == (spread([2.0, 2.0, 3.0]), "")
    assert sign_verdict(spread([1.0, 9.0, 80.0])) == "not settled"  # the same sign thrice is no evidence yet
    below = spread([-1.0, -2.0, -1.5, -1.2])
    assert sign_verdict(below) == "does not hold"
    assert sign_verdict(spread([-1.0, 1.0, 0.5, -0.2])) == "not settled"
    assert below.low is not None
    assert below.low <= below.median <= (below.high or 0)


def test_arms_tell_reweighting_apart(results: Path) -> None:
    assert set(arms(load_runs(results / "ptb_tier1"), {})) == {("artbp", True), ("tbptt", True), ("random", True)}


def test_a_part_of_the_grid_of_learning_rates_is_not_the_grid(tmp_path: Path) -> None:
    source = ROOT / "results" / "learning_rates"
    for summary in source.rglob("seed0/summary.json"):
        if "lr=0.01" in str(summary):
            shutil.copytree(summary.parent, tmp_path / "learning_rates" / summary.parent.relative_to(source))
    rows = [claim for claim in synthetic_claims(tmp_path) if "learning rate" in claim.claim]
    assert len(rows) == 3
    assert {claim.verdict for claim in rows} == {NOT_YET}
    assert all("missing: 44 of 45 runs" in claim.note for claim in rows if claim.spread)


def test_the_grids_wanted_are_those_of_the_recipes() -> None:
    params = {
        name: yaml.safe_load((ROOT / "conf" / "experiment" / f"{name}.yaml").read_text())["hydra"]["sweeper"]["params"]
        for name in ("learning_rates", "influence_balancing", "phase_diagram")
    }
    assert [float(x) for x in params["learning_rates"]["optimizer.lr"].split(",")] == list(LEARNING_RATES)
    assert [int(x) for x in params["learning_rates"]["seed"].split(",")] == list(SEEDS_OF_RATES)
    assert [int(x) for x in params["influence_balancing"]["seed"].split(",")] == list(SEEDS)
    assert len(params["phase_diagram"]["seed"].split(",")) == length_claims.SEEDS["artbp"]
    sizes = re.search(r"for pair in (.*); do", (ROOT / "Makefile").read_text())
    assert sizes is not None
    assert tuple(int(pair.split(",")[0]) for pair in sizes[1].split()) == length_claims.SIZES


def test_the_settings_of_a_tier_are_those_of_its_recipe() -> None:
    for tier in TIERS:
        with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
            config = compose("config", overrides=[f"experiment={tier.name}"])
        assert {key: OmegaConf.select(config, key) for key in tier.settings} == dict(tier.settings)


VERIFIED = ROOT / "results" / "verify" / "everything.csv"


@pytest.mark.parametrize("kept", [1, 40])
def test_a_sweep_of_the_verification_that_was_cut_short_shows_nothing(tmp_path: Path, kept: int) -> None:
    (tmp_path / "verify").mkdir()
    lines = VERIFIED.read_text().splitlines(keepends=True)
    (tmp_path / "verify" / "everything.csv").write_text("".join(lines[:kept]))
    (claim,) = exact_claims(tmp_path)
    assert claim.verdict == NOT_YET
    assert claim.note.startswith("missing: ")
    assert " more" in claim.note


def test_the_committed_sweep_of_the_verification_is_whole() -> None:
    assert [claim.verdict for claim in exact_claims(ROOT / "results")] == ["holds"] * 3


@pytest.mark.parametrize("text", ["", "method,model\nartbp,lstm\n"])
def test_a_damaged_csv_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "verify").mkdir()
    (tmp_path / "verify" / "everything.csv").write_text(text)
    with pytest.raises(UserError, match=r"everything.csv (cannot be read as a CSV|has no column engine, )"):
        write_report(tmp_path)


def test_a_damaged_table_of_a_run_is_one_line(results: Path) -> None:
    for path in (results / "ptb_tier1").rglob("metrics.csv"):
        path.write_text("")
    with pytest.raises(UserError, match=r"metrics.csv cannot be read as a CSV"):
        write_report(results)
