"""What crosses a cut, by an engine and stream by stream, is what the oracle says by plain autograd."""

import numpy as np
import pytest

from artbp_exp import artbp
from artbp_exp.diagnosis.run.crossings import crossings
from artbp_exp.verification.oracle import full_bptt, squared_crossings
from tests.cells import CARRIED
from tests.small import small


@pytest.mark.parametrize("name", CARRIED)
def test_by_an_engine_as_by_the_oracle(name: str) -> None:
    model, task = small(name, 7)
    full, scheme = full_bptt(model, task), artbp(length=3, alpha=4)
    oracle = squared_crossings(model, full, scheme.factors(7))
    found = crossings(model, full, scheme, streams=task.batch_size)
    for start, stops in ((0, [1, 4, 6]), (2, [3, 6])):
        np.testing.assert_allclose(found(start, stops)[0], oracle(start, stops)[0], rtol=1e-12)
