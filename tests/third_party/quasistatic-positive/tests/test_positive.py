import pytest

import quasistatic as qs


@qs.testing.laws("kernel", "square-root")
def test_square_root(law):
    law()


@qs.testing.laws("source", "waits")
def test_waits(law):
    law()


def test_numbers_that_may_be_negative_are_refused():
    with pytest.raises(ValueError, match="takes positive numbers"):
        qs.make("kernel", "square-root", qs.Real((2,)))
