"""`keras-attention batch` without Beam; with it, see tests/batch."""

import pytest

from tests.batch.needs import is_installed


@pytest.mark.skipif(is_installed("apache_beam"), reason="apache-beam is there")
def test_without_beam_it_says_what_to_install(run, tmp_path):
    code, _, err = run("batch", tmp_path, tmp_path, "--output", tmp_path / "out")
    assert code == 2 and err == (
        "keras-attention: error: This needs the package 'apache_beam', which is not installed. "
        "Install it in a clone of the repository with: pip install '.[beam]'\n"
    )


@pytest.mark.parametrize("option", ["--batch", "--chunk", "--longest"])
def test_numbers_are_positive(run, tmp_path, option):
    code, _, err = run("batch", tmp_path, tmp_path, "--output", tmp_path, option, "0")
    assert code == 2 and option in err and err.count("\n") == 1
