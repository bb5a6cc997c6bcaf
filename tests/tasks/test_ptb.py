"""Penn Treebank: corpus, streams, evaluation."""

import hashlib

import numpy as np
import pytest
import torch
from problems import make_model

from artbp_exp import corpus, registry
from artbp_exp.corpus import CORPORA, Corpus, load
from artbp_exp.errors import UserError
from artbp_exp.tasks.ptb import evaluate


def test_streams_are_contiguous(made_up):
    task = registry.build("task", {"name": "ptb", "corpus": "own", "data_dir": str(made_up), "batch_size": 4})
    symbols, _ = load(CORPORA["own"], str(made_up), "unused")
    inputs, targets = task.window(0, task.steps)
    assert torch.equal(inputs[1:], targets[:-1])
    per_stream = symbols["train"].size // 4
    for b in range(4):
        stream = torch.from_numpy(symbols["train"][b * per_stream : (b + 1) * per_stream])
        assert torch.equal(inputs[:, b], stream[:-1])
        assert torch.equal(targets[:, b], stream[1:])


def test_real_corpus_has_its_published_size(real_corpus):
    if real_corpus is None:
        assert set(CORPORA) == {"text", "char", "own"}
        return
    text, vocabulary = load(CORPORA["text"], str(real_corpus), "unused")
    assert (text["train"].size, vocabulary) == (5_101_618, 50)
    char, vocabulary = load(CORPORA["char"], str(real_corpus), "unused")
    assert (char["train"].size, vocabulary) == (5_017_482, 50)


@pytest.mark.parametrize("name", ["lstm", "gru"])
@pytest.mark.parametrize("count", [2, 50, 1500])
def test_parallel_evaluation_equals_one_long_pass(name, count):
    model = make_model(name, hidden_size=8)
    symbols = torch.randint(5, (count,))
    one = evaluate(model, symbols, streams=1, overlap=0)
    assert evaluate(model, symbols, streams=16, overlap=300, piece=33) == pytest.approx(one, rel=1e-9)
    logits, _ = model(symbols[:-1, None], model.init_state(1))
    nats = torch.nn.functional.cross_entropy(logits[:, 0], symbols[1:])
    assert one == pytest.approx(nats.item() / np.log(2), rel=1e-12)


def test_trains_and_reports(ptb_settings):
    task = registry.build("task", ptb_settings)
    assert registry.build("task", {**ptb_settings, "batch_size": 3}).batch_size == 3
    assert task.marks() == sorted(set(task.marks()))
    inputs, targets = task.window(0, 5)
    logits = torch.zeros(5, task.batch_size, task.shapes["vocabulary"])
    expected = 5 * np.log(task.shapes["vocabulary"])
    assert task.loss(logits, targets).item() == pytest.approx(expected, rel=1e-6)
    assert inputs.shape == targets.shape == (5, task.batch_size)


def test_missing_altered_and_foreign(tmp_path, made_up):
    with pytest.raises(UserError, match=r"ptb.train.txt is missing.*sha256.*task.data_dir"):
        load(CORPORA["text"], str(tmp_path), "unused")
    (tmp_path / "ptb.train.txt").write_text("truncated")
    with pytest.raises(UserError, match="is not the published file: sha256"):
        load(CORPORA["text"], str(tmp_path), "unused")
    for part in corpus.PARTS:
        (tmp_path / f"{part}.txt").write_text("abc" + ("é" if part == "valid" else ""))
    with pytest.raises(UserError, match=r"valid part .* symbols that train never has"):
        load(CORPORA["own"], str(tmp_path), "unused")
    with pytest.raises(UserError, match="not a folder"):
        load(CORPORA["text"], str(tmp_path / "nowhere"), "unused")
    with pytest.raises(UserError, match="batch_size=100000 is larger"):
        registry.build("task", {"name": "ptb", "corpus": "own", "data_dir": str(made_up), "batch_size": 100_000})


class FakeServer:
    """Serves what it is given instead of the network; a source it does not know is down."""

    def __init__(self, served):
        self.served, self.asked = served, []

    def __call__(self, **_):
        return self.fetch

    def fetch(self, url, output_file, _pooch, **_):
        self.asked.append(url)
        if url not in self.served:
            raise ConnectionError("no route")
        with open(output_file, "wb") as file:  # noqa: PTH123  # pooch hands a path as text
            file.write(self.served[url])


def test_download_tries_sources_in_turn_and_checks(tmp_path, monkeypatch):
    content = {f"{part}.txt": b"abcabc" for part in corpus.PARTS}
    mine = Corpus(
        files={part: f"{part}.txt" for part in corpus.PARTS},
        sha256={name: hashlib.sha256(text).hexdigest() for name, text in content.items()},
        sources=("https://down.example/{name}", "https://altered.example/{name}", "https://good.example/{name}"),
        spaced=False,
    )
    served = {f"https://good.example/{name}": text for name, text in content.items()}
    served |= {f"https://altered.example/{name}": b"something else" for name in content}
    server = FakeServer(served)
    monkeypatch.setattr(corpus.pooch, "HTTPDownloader", server)
    parts, vocabulary = load(mine, None, str(tmp_path / "data"))
    assert vocabulary == 3
    assert parts["test"].tolist() == [0, 1, 2, 0, 1, 2]
    assert len(server.asked) == 9
    load(mine, None, str(tmp_path / "data"))
    assert len(server.asked) == 9  # what is there is not fetched again
    server.served = {}
    with pytest.raises(UserError) as refused:
        load(mine, None, str(tmp_path / "elsewhere"))
    for wanted in ("train.txt", mine.sha256["train.txt"], "https://down.example/train.txt", "task.data_dir"):
        assert wanted in str(refused.value)
