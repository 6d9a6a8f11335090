"""Files cut into chunks."""

import pytest

from keras_attention.export.batch.chunks import cut, read_chunk
from tests.batch.needs import skip_without

skip_without("apache_beam")


@pytest.mark.parametrize("lines", [1, 2, 3, 7])
@pytest.mark.parametrize(
    "content",
    [b"", b"a", b"a\n", b"\n", b"a\n\nb", b"a\r\nb\r\n", b"\n\n\n", b"1\n2\n3\n4\n5\n6"],
)
def test_chunks_are_the_lines_of_the_file(tmp_path, lines, content):
    (tmp_path / "file").write_bytes(content)
    chunks, digest = cut(str(tmp_path / "file"), "folder", lines)
    read = [line for chunk in chunks for line in read_chunk(chunk)]
    assert read == content.splitlines()
    assert all(chunk.lines <= lines for chunk in chunks) and len(digest) == 64
    assert [chunk.first for chunk in chunks] == list(range(1, len(read) + 1, lines))


def test_a_file_that_changed_is_named(tmp_path):
    (tmp_path / "file").write_bytes(b"a\nb\n")
    (chunk,), _ = cut(str(tmp_path / "file"), "folder", 9)
    (tmp_path / "file").write_bytes(b"a\n")
    with pytest.raises(RuntimeError, match="file has changed while it was read: expected 2 lines"):
        read_chunk(chunk)
