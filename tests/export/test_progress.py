"""Progress: a line per stage, a bar on a terminal, nothing if silenced."""

import io
import sys

import pytest

from keras_attention.export.progress import Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_line_per_stage():
    stream = io.StringIO()
    with Progress(2, stream=stream) as progress:
        progress("tracing beam")
        assert stream.getvalue() == "export 1/2: tracing beam\n"
        progress("writing")
    assert stream.getvalue() == "export 1/2: tracing beam\nexport 2/2: writing\n"


def test_the_error_stream_is_the_default(capsys):
    with Progress(1) as progress:
        progress("writing")
    assert capsys.readouterr() == ("", "export 1/1: writing\n")


def test_a_bar_on_a_terminal():
    stream = Terminal()
    with Progress(4, stream=stream) as progress:
        progress("tracing beam")
        progress("writing")
    drawn = stream.getvalue()
    assert drawn.count("\n") == 1 and drawn.endswith("\n")
    first, second, last = drawn.split("\r")[1:]
    assert first == "export [#####...............] tracing beam\x1b[K"
    assert second == "export [##########..........] writing\x1b[K"
    assert "done after 0 s" in last


def test_a_bar_says_that_the_export_stopped():
    stream = Terminal()
    with pytest.raises(ValueError), Progress(4, stream=stream) as progress:
        progress("writing")
        raise ValueError
    assert "stopped after 0 s" in stream.getvalue()


def test_silenced(monkeypatch):
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    with Progress(1, verbose=False) as progress:
        progress("writing")
    assert stream.getvalue() == ""
