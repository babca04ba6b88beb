"""What leaves a run: nothing over the network, and nothing of the environment into its folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

SECRET = "token-8f3a91c2"
CODE = """
import sys
seen = []
sys.addaudithook(lambda event, arguments: seen.append(event) if event.startswith("socket.") else None)
from quasistatic.cli import main
try:
    main(["run", "swiss-roll", "-q", "--out", {out!r}, "--set", "training.updates=4", "--set", "training.batch=4",
          "--set", "training.validate_every=2", "--set", "training.validation_events=4", "--set", "model.width=4",
          "--set", "model.depth=1", "--set", "evaluation.events=4", "--set", "evaluation.samples=4", "--set", "trajectory.steps=3",
          "--set", 'training.observers=["jsonl", "tensorboard"]'])
except SystemExit as end:
    assert not end.code, end.code
print(sorted(set(seen) - {{"socket.gethostname"}}))
"""


def test_a_run_opens_no_socket_and_keeps_nothing_of_the_environment(python: Callable[..., str], tmp_path: Path) -> None:
    found = python(CODE.format(out=str(tmp_path / "run")), MY_API_TOKEN=SECRET, AWS_SECRET_ACCESS_KEY=SECRET)
    assert found.strip() == "[]"
    files = [path for path in (tmp_path / "run").rglob("*") if path.is_file()]
    assert any("tfevents" in path.name for path in files)
    assert [path for path in files if SECRET.encode() in path.read_bytes()] == []
