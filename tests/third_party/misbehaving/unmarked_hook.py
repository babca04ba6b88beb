"""Its hook lacks the decorator."""


def quasistatic_components():
    return []
