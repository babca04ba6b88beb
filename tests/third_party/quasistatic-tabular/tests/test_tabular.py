import quasistatic as qs


@qs.testing.laws("source", "orders")
def test_orders(law):
    law()


def test_the_recipe_builds():
    assert qs.load_recipe("orders").choices["source"].component.name == "orders"
