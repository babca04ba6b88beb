"""Laws: what must hold for a component, as theorems that are measured on it.

Which laws hold follows from the component's class and from what it declares. Statistical laws use fixed keys and pass within
five standard errors; the others state a tolerance in their unit. A plugin tests itself in three lines:

    @qs.testing.laws("kernel", "thinning")
    def test_thinning(law):
        law()
"""

from quasistatic.testing._catalogue import laws_of as laws_of
from quasistatic.testing._check import check as check
from quasistatic.testing._check import laws as laws
from quasistatic.testing._law import Law as Law
from quasistatic.testing._law import Verdict as Verdict
