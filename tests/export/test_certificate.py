"""Artifacts whose quality is measured before they appear."""

import numpy as np
import pytest

from keras_attention.export import Artifact, ExportError, certificate, export_model
from keras_attention.export.manifest import check_manifest, read_manifest
from keras_attention.export.onnx import OnnxWriter
from tests.support.exporting import SEARCH, listing, speller

IDS = [np.array([[4, 5]], "int32")]


@pytest.fixture
def export(tmp_path, monkeypatch):
    """Writes one small graph, and measures it."""
    monkeypatch.setattr(OnnxWriter, "graphs", {"encoder": "encode"})

    def export(**options):
        path = tmp_path / "new"
        given = {"format": "onnx", "search": SEARCH, "examples": IDS, "verbose": False}
        return export_model(speller(), path, **given, **options), path

    return export


def test_the_artifact_itself_is_measured(export):
    asked = []

    def check(artifact):
        assert isinstance(artifact, Artifact) and artifact.folder.name == "new"
        asked.append(artifact("encoder", tokens=[[4, 5, 6]])["memory_keys"].shape)
        return np.float32(0.75)

    report, path = export(check=check, at_least=0.75)
    assert asked == [(1, 3, 8)] and report["quality"] == 0.75
    assert read_manifest(path)["quality"] == {"measured": 0.75, "at_least": 0.75}
    assert check_manifest(path)


def test_below_the_bound_nothing_is_left(export, tmp_path):
    with pytest.raises(ExportError, match=r"new is not .*expected at least 0.9, received 0.875\.$"):
        export(check=lambda artifact: 0.875, at_least=0.9)
    assert listing(tmp_path) == []


@pytest.mark.slow
def test_an_error_while_it_is_measured_leaves_nothing(export, tmp_path):
    def check(artifact):
        raise KeyError("words")

    with pytest.raises(KeyError, match="words"):
        export(check=check)
    assert listing(tmp_path) == []


@pytest.mark.parametrize("value", [None, "0.9", float("nan"), float("inf"), True])
def test_a_measure_that_is_no_number(tmp_path, monkeypatch, value):
    monkeypatch.setattr(certificate, "Artifact", lambda folder: None)
    with pytest.raises(ValueError, match=r"check: expected a (finite )?number"):
        certificate.Certificate(lambda artifact: value, 0.0).measure(tmp_path, "new")


@pytest.mark.slow
def test_without_a_bound_the_number_is_kept(export):
    report, path = export(check=lambda artifact: -3)
    assert report["quality"] == -3
    assert read_manifest(path)["quality"] == {"measured": -3, "at_least": None}


@pytest.mark.slow
def test_without_a_measure_there_is_none(export):
    report, path = export()
    assert "quality" not in report and "quality" not in read_manifest(path)


def test_wrong_arguments(export, tmp_path):
    with pytest.raises(ValueError, match=r"at_least: expected None without check, received 0.9"):
        export(at_least=0.9)
    with pytest.raises(ValueError, match="check: expected a function of the artifact, received 7"):
        export(check=7)
    with pytest.raises(ValueError, match="at_least: expected a number, received 'good'"):
        export(check=lambda artifact: 1.0, at_least="good")
    assert listing(tmp_path) == []
