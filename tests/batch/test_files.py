"""Files under names that Beam would take for patterns."""

import pytest

from keras_attention.export.batch import files
from tests.batch.needs import skip_without

skip_without("apache_beam")
NAMES = ["plain", "a[1]", "a*b?", "[", "back\\slash"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("local", [True, False])
def test_a_folder_is_no_pattern(name, local, tmp_path, monkeypatch):
    for other in (*NAMES, "a1", "axby"):
        (tmp_path / other / "part").mkdir(parents=True)
        (tmp_path / other / "part" / other.replace("\\", "")).touch()
    if not local:
        monkeypatch.setattr(files, "_is_local", lambda path: False)
    file = name.replace("\\", "")
    assert files.listed(str(tmp_path / name / "part")) == {file}
    assert files.listed(str(tmp_path / name), "*/*") == {f"part/{file}"}
    assert files.listed(str(tmp_path / "none")) == set()


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_there_whole_or_not_at_all(name, tmp_path):
    path = tmp_path / name

    def lines():
        yield "one"
        assert [found.suffix for found in tmp_path.iterdir()] == [".partial"]
        raise KeyError

    with pytest.raises(KeyError):
        files.write_whole(str(path), lines())
    assert not [*tmp_path.iterdir()]
    files.write_whole(str(path), ["one", "zwei ü"])
    assert path.read_text("utf-8") == "one\nzwei ü\n" and [*tmp_path.iterdir()] == [path]


@pytest.mark.parametrize("name", NAMES)
def test_one_file_is_deleted(name, tmp_path):
    for other in (*NAMES, "a1", "axby"):
        (tmp_path / other).touch()
    files.delete(str(tmp_path / name))
    files.delete(str(tmp_path / name))
    assert {path.name for path in tmp_path.iterdir()} == {*NAMES, "a1", "axby"} - {name}


def test_links_lead_to_the_same_file(tmp_path):
    (tmp_path / "file").write_text("a")
    (tmp_path / "soft").symlink_to("file")
    (tmp_path / "hard").hardlink_to(tmp_path / "file")
    (tmp_path / "nowhere").symlink_to("none")
    (tmp_path / "other").write_text("a")
    for name, same in {"soft": True, "hard": True, "other": False, "none": False}.items():
        assert files.same_file(str(tmp_path / "file"), str(tmp_path / name)) == same, name
    assert files.exists(str(tmp_path / "nowhere"))
