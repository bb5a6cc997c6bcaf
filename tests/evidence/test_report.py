"""The report is made from CSVs alone, says what is missing, and needs no other file."""

import html
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

from artbp_exp.errors import UserError
from artbp_exp.evidence.claim import NOT_YET
from artbp_exp.evidence.page import markdown, page
from artbp_exp.evidence.pictures import PICTURES, diagnosis_pictures
from artbp_exp.evidence.write import all_claims, write_report
from tests.conftest import ROOT
from tests.evidence.conftest import find

pytestmark = pytest.mark.filterwarnings("ignore:.*constrained_layout.*:UserWarning")


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


def test_a_folder_without_any_of_the_evidence_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none of this repository's evidence .*artbp-figures curves --results"):
        write_report(tmp_path)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not a folder"):
        write_report(tmp_path / "nowhere")


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
