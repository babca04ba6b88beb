import pytest

import quasistatic as qs


@qs.testing.laws("kernel", "blur")
def test_matched(law):
    law()


@qs.testing.laws("kernel", "blur", noise="isotropic")
def test_isotropic(law):
    law()


def test_other_events_are_refused():
    with pytest.raises(ValueError, match="takes images"):
        qs.make("kernel", "blur", qs.Real((3,)))
