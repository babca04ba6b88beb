import quasistatic as qs


@qs.testing.laws("kernel", "wrapped-normal")
def test_wrapped_normal(law):
    law()


@qs.testing.laws("source", "angles")
def test_angles(law):
    law()
