"""Text for a terminal, in the package and beside the clients of a server."""

import sys
from pathlib import Path

from keras_attention._core import printable as module
from keras_attention._core.printable import one_line, printable
from tests.support.terminals import HOSTILE, is_harmless

BESIDE_THE_CLIENTS = Path(__file__).parents[2] / "export" / "serving" / "printable.py"


def test_a_text_is_shown_without_commands():
    assert is_harmless(printable(HOSTILE))
    assert printable(HOSTILE) == "␛[31mred␛]0;title␇␍␊�2Jgnp�[bold]�␡␀end"


def test_no_character_commands_the_terminal():
    shown = printable("".join(map(chr, range(sys.maxunicode + 1))))
    assert is_harmless(shown.replace("\u200c", "").replace("\u200d", ""))
    shown.encode("utf-8")


def test_the_joiners_of_persian_and_emoji_stay():
    assert printable("می\u200cرود 👩\u200d🔬") == "می\u200cرود 👩\u200d🔬"


def test_an_error_is_one_short_line():
    assert one_line("a\n  b\x1b " + "x" * 999).startswith("a b␛ x")
    assert len(one_line("x" * 999)) == len(one_line("x " * 10**6)) == 600
    assert one_line("a\x85b\u2028c") == "a b c"


def test_the_clients_have_the_same_file():
    assert BESIDE_THE_CLIENTS.read_bytes() == Path(module.__file__).read_bytes()
