import quasistatic as qs


@qs.testing.laws("kernel", "thinning")
def test_thinning(law):
    law()
