"""Work, dissipation, order and landscape of trained diffusions, measured on paths, for every kernel; no run needs it.

Small functions that a library user calls alone, behind one door for each question: `work`, `steps`, `order`, `landscape` and
`anomaly`. Values are in nats.
"""
