"""What strangers bring is run by test_stranger.py in an environment of its own, not collected here."""

collect_ignore_glob = ["quasistatic-*", "misbehaving"]
