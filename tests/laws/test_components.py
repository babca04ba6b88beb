"""Every law, for every component that is registered; kernels in several configurations."""

import pytest
import quasistatic_thinning  # a stranger's kernel keeps the same laws as the built-ins

import quasistatic as qs
from quasistatic.testing._check import builds

CHOICES = {
    "gaussian": [
        {"schedule": "erasure", "first_noise": 0.0, "last_survival": 0.0, "mean": "data", "variance": "forward"},
        {"schedule": "reference", "mean": "noise"},
        {"schedule": "cosine", "first_noise": 1e-3, "last_survival": 1e-3, "mean": "eq65-sqrt"},
        {"mean": "eq65-code", "variance": "forward"},
        {"mean": "eq65"},
        {"variance": "posterior"},
    ],
    "binomial": [{"base_rate": 0.2, "schedule": "cosine", "predict": "flips", "features": "evidence"}],
}
# these look at draws or at every path and cost most; the default configuration has them all
COSTLY = {"samples", "pair", "overlap", "entropy", "divergence", "learned-grid", "rare-states", "jarzynski", "agreement"}

# float32 against float64 at the first of 1000 times: 1.0e-3 nats per element, which is the tolerance itself
AT_THE_LIMIT = {("eq65-code", "precision")}


def cases():
    components = [*qs.plugins().components(), *quasistatic_thinning.quasistatic_components()]
    for component in {(c.kind, c.name): c for c in components}.values():
        if (component.kind, component.name) == ("source", "array"):
            continue  # has nothing to read by default; its tests are in tests/plugins
        for built in builds(component):
            for law in built.laws:
                yield pytest.param(law, id=f"{built.label}-{law.name}")
        for number, chosen in enumerate(CHOICES.get(component.name, ())):
            for built in builds(component, component.options(**chosen)):
                for law in built.laws:
                    if law.name not in COSTLY and (chosen.get("mean"), law.name) not in AT_THE_LIMIT:
                        yield pytest.param(law, id=f"{component.name}-{number}-{built.label[:60]}-{law.name}")


@pytest.mark.parametrize("law", list(cases()))
def test_law(law):
    law()
