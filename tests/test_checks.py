import math

import numpy as np
import pytest

from artbp_exp import checks
from artbp_exp.errors import UserError, nearest


@pytest.mark.parametrize("value", [None, True, "3", math.nan, math.inf, [1]])
def test_what_is_no_number_is_refused_by_name_and_value(value: object) -> None:
    for check in (checks.number, checks.whole):
        with pytest.raises(UserError) as caught:
            check("task.size", value)
        assert "task.size" in str(caught.value)
        assert repr(value) in str(caught.value)


def test_bounds() -> None:
    assert checks.number("x", 0, at_least=0) == 0.0
    assert checks.whole("x", 1e6) == 1_000_000
    assert isinstance(checks.whole("x", 2.0), int)
    with pytest.raises(UserError, match="> 0"):
        checks.number("x", 0, above=0)
    with pytest.raises(UserError, match="≥ 1"):
        checks.number("x", 0.99, at_least=1)
    with pytest.raises(UserError, match="≥ 1; got 0"):
        checks.whole("x", 0, at_least=1)
    with pytest.raises(UserError, match=r"got 1\.5"):
        checks.whole("x", 1.5)


def test_flags_and_choices() -> None:
    assert checks.flag("x", False) is False
    for value in (0, 1, "true", None):
        with pytest.raises(UserError, match="x must be true or false"):
            checks.flag("x", value)
    assert checks.choice("x", "b", ["a", "b"]) == "b"
    with pytest.raises(UserError, match="x=None is not known; valid: a, b"):
        checks.choice("x", None, ["b", "a"])


def test_the_nearest_name_comes_first() -> None:
    assert nearest("lenght", ["alpha", "length"]) == "did you mean length? valid: alpha, length"
    assert nearest("zzz", []) == "valid: (none)"


def test_numbers_of_numpy_are_numbers() -> None:
    assert checks.number("x", np.float32(0.5)) == 0.5
    assert checks.whole("x", np.int64(3)) == 3
    with pytest.raises(UserError, match="must be a number"):
        checks.number("x", np.bool_(True))


def test_what_no_memory_holds_is_refused() -> None:
    checks.in_memory("model.hidden_size", 8, 8 * 8)
    with pytest.raises(UserError, match=r"model.hidden_size=9 needs 3.73e\+09 GiB for parameters alone"):
        checks.in_memory("model.hidden_size", 9, 10**18)
