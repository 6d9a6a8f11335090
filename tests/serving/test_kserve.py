"""A real server: KServe's Python server with artifacts of ours, asked by our clients.

Needs the environment that `make test-serving` makes.
"""

import pytest

from benchmarks import environments, serving
from keras_attention.export import export_model
from keras_attention.generation import BeamSearch
from tests.support.exporting import captioner
from tests.support.pictures import FILES

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not environments.is_made("kserve"), reason="needs the environment of make test-serving"
    ),
]


@pytest.fixture(scope="module")
def spelling(tmp_path_factory):
    return serving.export(tmp_path_factory.mktemp("served") / "spelling")


def test_ten_thousand_requests_are_answered_right_and_the_memory_is_flat(spelling):
    figures = serving.measure(spelling, "spelling", 10_000)
    _, second, *_, last = figures["resident_mib"]
    assert last < second + 40, figures


def test_the_client_for_text(spelling, run):
    with serving.served(spelling, "spelling") as (address, _):
        server = ("--server", address, "--model", "spelling")
        code, out, err = run("rest_client", "attention", "--signature", "beam", *server)
        assert (code, err) == (0, "") and "-> AH T EH N SH AH N   (score -" in out
        assert run("rest_client", "--plain", "a", "beam", *server)[1].count("\n") == 2
        code, out, err = run("rest_client", "x", "--signature", "nope", *server)
        assert (code, out) == (1, "") and "400: signature_name: expected one of" in err
        code, out, err = run("rest_client", *["a"] * 33, "--batch", "33", *server)
        assert (code, out) == (1, "") and "instances: expected from 1 to 32, received 33" in err
        code, out, err = run("rest_client", "x", "--server", address, "--model", "nope")
        assert (code, out) == (1, "") and "404: " in err
        # More than the server takes; a text below that is cut to what the model reads.
        code, out, err = run("rest_client", "x" * 60_000_000, *server)
        assert (code, out) == (1, "") and err.count("\n") == 1


def test_the_client_for_images(tmp_path, run):
    search = BeamSearch(max_length=5)
    export_model(captioner(), tmp_path / "caption", kind="image", search=search, verbose=False)
    (tmp_path / "photo.png").write_bytes(FILES["png"])
    (tmp_path / "broken.png").write_bytes(FILES["png"][:-30])
    files = (tmp_path / "broken.png", tmp_path / "photo.png", "--overlay", tmp_path / "drawn")
    with serving.served(tmp_path / "caption", "caption") as (address, _):
        code, out, err = run("caption_client", *files, "--server", address)
    assert code == 1 and "-> " in out and (tmp_path / "drawn" / "photo.png.png").is_file()
    assert err.count("\n") == 1 and "broken.png: http" in err and " answers 400: " in err
