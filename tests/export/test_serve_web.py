"""`export/serve_web.py`: which models get a page, and how it is served."""

import os
import sys
import threading
import urllib.request

import pytest

from tests.support.exporting import SCRIPTS


@pytest.fixture
def serve_web(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    import serve_web

    return serve_web


def test_the_models_that_are_there(serve_web, tmp_path):
    assert serve_web.models(tmp_path) == {"spelling": "g2p_en"}
    for folder in ("demo", "caption/attention"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "model.keras").touch()
    assert serve_web.models(tmp_path) == {
        "spelling": str(tmp_path / "demo" / "model.keras"),
        "captions": str(tmp_path / "caption" / "attention" / "model.keras"),
    }


def test_a_newer_model_is_exported_again(serve_web, tmp_path):
    model, manifest = tmp_path / "model.keras", tmp_path / "web" / "manifest.json"
    model.touch()
    manifest.parent.mkdir()
    assert not serve_web.is_newer(manifest.parent, model)
    manifest.touch()
    assert serve_web.is_newer(manifest.parent, model)
    assert serve_web.is_newer(manifest.parent, "g2p_en")
    later = manifest.stat().st_mtime + 10
    os.utime(model, (later, later))
    assert not serve_web.is_newer(manifest.parent, model)


def test_files_have_their_types_and_a_policy(serve_web, tmp_path):
    for name in ("a.js", "a.wasm", "index.html"):
        (tmp_path / name).write_text("content")
    with serve_web.server(tmp_path, 0) as server:
        assert server.server_address[0] == "127.0.0.1"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            for path, kind in (
                ("a.js", "text/javascript"),
                ("a.wasm", "application/wasm"),
                ("", "text/html"),
            ):
                with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/{path}") as got:
                    assert got.headers["Content-Type"].startswith(kind)
                    assert "'wasm-unsafe-eval'" in got.headers["Content-Security-Policy"]
        finally:
            server.shutdown()
            thread.join()


def test_an_export_that_fails_ends_it(serve_web, tmp_path, monkeypatch):
    asked = []

    class Failed:
        returncode = 2

    monkeypatch.setattr(
        serve_web.subprocess, "run", lambda command: asked.append(command) or Failed
    )
    with pytest.raises(SystemExit) as ended:
        serve_web.main([str(tmp_path), "--runtime", "folder"])
    assert ended.value.code == 2
    assert asked[0][:5] == [sys.executable, "-m", "keras_attention", "export", "g2p_en"]
    assert asked[0][6:] == ["--format", "web", "--overwrite", "--runtime", "folder"]
