"""Long work says how far it is: a bar on a terminal, lines elsewhere, nothing where quiet is asked for."""

import io
import itertools

import numpy as np
import pytest

from quasistatic._process.progress import counted, listening
from quasistatic.cli import _waiting
from quasistatic.cli._waiting import Waiting


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_blocks_are_counted_one_after_another():
    heard = []
    with listening(lambda *said: heard.append(said)):
        assert [len(block) for block in counted("rows", [np.arange(4), np.arange(4)], 6)] == [4, 4]
    assert heard == [("rows", 0, 6), ("rows", 4, 6), ("rows", 6, 6)]
    list(counted("rows", [np.arange(4)], 4))
    assert len(heard) == 3  # nobody listens any more


def test_lines_where_there_is_no_terminal(capsys):
    seconds = iter([0, 0, 4, 12, 16, 30])
    waiting = Waiting(lambda: next(seconds))
    for done in (0, 10, 30, 40, 100):
        waiting("samples", done, 100)
    assert capsys.readouterr() == ("", "samples: 30 of 100, 0:00:28 left\n")  # none within 10 s of the one before


def test_a_bar_on_a_terminal_that_goes_away(monkeypatch):
    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    with pytest.raises(RuntimeError, match="lost"), _waiting.shown_waiting():
        for number, _ in enumerate(counted("paths", itertools.repeat(np.arange(3)), 9)):
            if number == 2:
                raise RuntimeError("lost")
    shown = screen.getvalue()
    assert "paths" in shown and "0/9" in shown
    assert shown.endswith("\x1b[1A\x1b[2K")  # its line is clean, though the work was lost
