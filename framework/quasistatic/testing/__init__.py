"""Laws: what must hold for a component, as theorems that are measured on it.

Which laws hold follows from the component's class and from what it declares. Each law is read in several settings (keys, times,
params), which hypothesis chooses, the same ones every time. A statistical value beyond chance 1e-3 is measured again with ten
times the draws, and beyond 1e-6 there the law is broken; the others state a tolerance in their unit. A plugin tests itself in
three lines:

    @qs.testing.laws("kernel", "thinning")
    def test_thinning(law):
        law()
"""

from quasistatic.testing._catalogue import laws_of as laws_of
from quasistatic.testing._check import build_all as build_all
from quasistatic.testing._check import builds as builds
from quasistatic.testing._check import check as check
from quasistatic.testing._check import laws as laws
from quasistatic.testing._law import Law as Law
from quasistatic.testing._law import Verdict as Verdict
from quasistatic.testing._setting import Setting as Setting
