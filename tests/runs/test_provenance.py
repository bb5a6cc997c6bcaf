import sys

import torch

from artbp_exp import __version__
from artbp_exp.runs.provenance import peak_memory, provenance


def test_a_result_says_how_it_came_to_be() -> None:
    found = provenance(command="artbp-run seed=1", device=torch.device("cpu"))
    assert found["command"] == "artbp-run seed=1"
    assert found["versions"]["artbp_exp"] == __version__
    assert found["versions"]["python"] == sys.version.split()[0]
    assert found["device"]
    assert found["threads"] == torch.get_num_threads()
    assert found["git_commit"] is None or len(found["git_commit"]) == 40
    assert found["git_dirty"] in (None, True, False)


def test_memory_is_in_bytes() -> None:
    assert 2**24 < peak_memory(torch.device("cpu")) < 2**40
