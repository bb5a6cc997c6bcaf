"""A factor of 0 does to the gradient what a cut does."""

from artbp_exp.verification.body import plain


def test_a_factor_of_zero_stands_in_for_a_cut() -> None:
    assert plain(4).factors.tolist() == [1.0, 1.0, 1.0]
    assert plain(4, without=2).factors.tolist() == [1.0, 0.0, 1.0]
