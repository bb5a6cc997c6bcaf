"""The report is made from CSVs alone, says what is missing, and needs no other file."""

import html
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from artbp_exp.errors import UserError
from artbp_exp.evidence.claims.claim import NOT_YET, OPEN, Claim
from artbp_exp.evidence.experiments import EXPERIMENTS
from artbp_exp.evidence.report.answers import answers
from artbp_exp.evidence.report.render import CODE, PAPER, slug, tally
from artbp_exp.evidence.report.write import REPORTED, write_report
from tests.conftest import ROOT
from tests.evidence.conftest import find, made_up

pytestmark = pytest.mark.filterwarnings("ignore:.*constrained_layout.*:UserWarning")


Written = tuple[Path, list[Claim]]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """A folder with a report that no test changes, and its claims."""
    folder = made_up(tmp_path_factory.mktemp("report") / "results")
    return folder, write_report(folder)[0]


def test_the_html_needs_no_other_file(results: Path) -> None:
    _, written = write_report(results)
    text = (results / "report.html").read_text(encoding="utf-8")
    assert written == [results / "report.md", results / "report.html"]
    assert "width=device-width" in text
    assert text.count("data:image/png;base64,") >= 2
    assert "<script" not in text
    assert not re.search(r'src="(?!data:)', text)
    linked = re.findall(r"\]\((.*?\.png)\)", (results / "report.md").read_text(encoding="utf-8"))
    assert linked
    assert all((results / path).is_file() for path in linked)


@pytest.mark.parametrize("page", ["report.md", "report.html"])
def test_every_link_leads_somewhere(page: str) -> None:
    """In the committed report: to the paper, to a record or a page of this repository, or to a heading."""
    text = (ROOT / "results" / page).read_text(encoding="utf-8")
    links = re.findall(r'href="(.*?)"' if page.endswith("html") else r"\]\((.*?)\)", text)
    anchors = set(re.findall(r'id="?([\w-]+)', text)) | {slug(found) for found in re.findall(r"^#+ (.*)$", text, re.M)}
    assert PAPER in links
    assert {"../docs/method.md", "verify/everything.csv", "influence_balancing"} <= set(links)
    for link in links:
        if link.startswith("#"):
            assert link[1:] in anchors
        elif link not in (PAPER, CODE):
            assert (ROOT / "results" / link).exists(), link


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


def test_tags_nest_and_figures_stand_in_their_sections_described_and_to_be_enlarged(written: Written) -> None:
    results, _ = written
    text = (results / "report.html").read_text(encoding="utf-8")
    pages = Nesting()
    pages.feed(text)
    assert pages.open == []
    assert pages.seen.count("label") == pages.seen.count("input") == len(pages.alts)
    captions = {picture.name: picture.caption for experiment in EXPERIMENTS for picture in experiment.figures}
    assert pages.alts == [captions["ptb_evidence"], captions["paired_seeds"]]
    assert (
        text.index(">Penn Treebank, one character at a time</h2>")
        < text.index("<img")
        < text.index(">The authors' curves</h2>")
    )


def test_it_is_the_same_twice(results: Path) -> None:
    write_report(results)
    first = (results / "report.html").read_bytes()
    write_report(results)
    assert (results / "report.html").read_bytes() == first


def test_nothing_measured_is_a_report_too(tmp_path: Path) -> None:
    (tmp_path / "ptb_tier1").mkdir()
    claims, _ = write_report(tmp_path)
    assert {claim.verdict for claim in claims} == {NOT_YET}


def test_every_row_and_every_command_shows_in_both_pages(written: Written) -> None:
    results, claims = written
    one, other = ((results / name).read_text(encoding="utf-8") for name in ("report.md", "report.html"))
    assert {claim.verdict for claim in claims} >= {NOT_YET, OPEN}
    for claim in claims:
        assert claim.claim.replace("|", "∣") in one
        assert html.escape(claim.claim).replace("&#x27;", "&#39;") in other
    for experiment in EXPERIMENTS:
        for command in experiment.all_commands(results) if experiment.heading in one else ():
            assert f"    {command}\n" in one
            assert f"<code>{html.escape(command).replace('&#x27;', '&#39;')}</code>" in other


def test_rows_that_are_not_settled_stand_in_one_table(written: Written) -> None:
    results, claims = written
    text = (results / "report.md").read_text(encoding="utf-8")
    before, after = text.split("## Not settled")
    for claim in claims:
        assert (claim.claim.replace("|", "∣") in after) == (claim.verdict == OPEN)
        assert (claim.claim.replace("|", "∣") in before) == (claim.verdict != OPEN)


def test_it_answers_four_questions_before_any_row(written: Written) -> None:
    results, claims = written
    text = (results / "report.md").read_text(encoding="utf-8")
    found = answers(claims)
    assert len(found) == 4
    for question, answer in found:
        assert text.index(question) < text.index(answer) < text.index("## ")


def test_the_papers_claims_are_counted_apart() -> None:
    claims = [claim for experiment in REPORTED for claim in experiment.claims(ROOT / "results")]
    assert len({claim.key for claim in claims}) == len(claims)
    paper, own = tally(claims).split("; ")
    assert paper.startswith("The paper's claims (")
    assert own.startswith("this project's: ")
    counts = [sum(int(word) for word in text.replace(",", " ").split() if word.isdigit()) for text in (paper, own)]
    assert counts == [sum(claim.paper for claim in claims), sum(not claim.paper for claim in claims)]


def test_every_recipe_of_the_evidence_has_its_commands() -> None:
    for experiment in EXPERIMENTS:
        assert experiment.all_commands(ROOT / "results") or not experiment.recipes
        for command in experiment.all_commands(ROOT / "results"):
            assert command.startswith(("artbp-", "make ", "python scripts/"))


def test_the_committed_evidence_gives_the_verdicts_that_it_should() -> None:
    claims = [claim for experiment in REPORTED for claim in experiment.claims(ROOT / "results")]
    for key in ("unbiased", "biased", "runs_away_100", "converges", "cost", "needs_reweighting", "carrying"):
        assert find(claims, key).verdict == "holds"


def test_the_committed_report_and_tables_are_those_of_the_committed_records() -> None:
    """`make report` and `make readme` would change nothing."""
    claims = [claim for experiment in REPORTED for claim in experiment.claims(ROOT / "results")]
    text = (ROOT / "results" / "report.md").read_text(encoding="utf-8")
    assert f"**{tally(claims)}**" in text
    for claim in claims:
        assert claim.note.replace("|", "∣") in text
    for experiment in EXPERIMENTS:
        for file, tables in experiment.tables.items():
            page = (ROOT / file).read_text(encoding="utf-8")
            for name, make in tables.items():
                assert f"<!-- numbers: {name} -->\n{make(ROOT / 'results')}\n<!-- end -->" in page


def test_it_needs_no_torch() -> None:
    code = "import artbp_exp.cli.report, artbp_exp.cli.figures, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_folder_without_any_of_the_evidence_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none of this repository's evidence .*artbp-figures curves "):
        write_report(tmp_path)


@pytest.mark.parametrize("text", ["", "method,model\nartbp,lstm\n"])
def test_a_damaged_csv_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "verify").mkdir()
    (tmp_path / "verify" / "everything.csv").write_text(text)
    with pytest.raises(
        UserError,
        match=r"everything.csv (cannot be read as a CSV|has no column engine, ).*; restore it, or move it away",
    ):
        write_report(tmp_path)


def test_a_damaged_table_of_a_run_is_one_line(results: Path) -> None:
    for path in (results / "ptb_tier1").rglob("metrics.csv"):
        path.write_text("")
    with pytest.raises(UserError, match=r"metrics.csv cannot be read as a CSV"):
        write_report(results)
