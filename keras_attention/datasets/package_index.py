"""Finds an archive on the package index that pip is configured with, without pip.

The index is one of the simple repository API, as HTML (PEP 503) or JSON (PEP 691).
"""

from __future__ import annotations

import base64
import configparser
import html.parser
import http.client
import json
import os
import re
import shutil
import ssl
import sys
import urllib.parse
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.response import addinfourl

_ACCEPT = "application/vnd.pypi.simple.v1+json, text/html;q=0.5"
_SECONDS = 60.0
# A page of an index; the largest in use have a few MB.
_LARGEST_PAGE = 64 * 2**20
# The index that pip reads where none is configured.
_PYPI = "https://pypi.org/simple"


class _Kind(NamedTuple):
    """A kind of archive: how its file names end, as a regular expression and as shown."""

    what: str
    pattern: str
    shown: str


_WHEEL = _Kind("wheel", r"-.*\.whl", "-*.whl")
_SDIST = _Kind("source distribution", r"\.tar\.gz", ".tar.gz")


def index_addresses(default: str = "") -> list[str]:
    """The addresses of the indexes that pip is configured with, the main one first.

    They come from `PIP_INDEX_URL` and `PIP_EXTRA_INDEX_URL`, then from the
    configuration files of pip, then from uv's `UV_DEFAULT_INDEX` and
    `UV_INDEX_URL`.

    Args:
        default: the main index where none is configured; empty for none.
    """
    config = _config()
    main = (
        os.environ.get("PIP_INDEX_URL")
        or config.get("index-url")
        or os.environ.get("UV_DEFAULT_INDEX")
        or os.environ.get("UV_INDEX_URL")
        or default
    )
    extra = os.environ.get("PIP_EXTRA_INDEX_URL") or config.get("extra-index-url") or ""
    return [*main.split(), *extra.split()]


def _config() -> dict[str, str]:
    """The options of pip's configuration files; a later file overrides an earlier one."""
    options: dict[str, str] = {}
    for path in _config_files():
        parser = configparser.RawConfigParser()
        try:
            parser.read(path, "utf-8")
        except (configparser.Error, UnicodeDecodeError) as error:
            raise OSError(f"{path}: expected a configuration file of pip: {error}") from error
        for section in ("global", "download"):
            if parser.has_section(section):
                options |= {key.replace("_", "-"): value for key, value in parser.items(section)}
    return options


def _config_files() -> list[Path]:
    """The files in the order in which pip reads them: global, of the user, of this environment."""
    named = os.environ.get("PIP_CONFIG_FILE")
    if named == os.devnull:
        return []
    home = Path.home()
    if sys.platform == "win32":
        name = "pip.ini"
        shared = [Path(os.environ.get("PROGRAMDATA", "C:/ProgramData"), "pip")]
        own = [home / "pip", Path(os.environ.get("APPDATA", home), "pip")]
    else:
        name = "pip.conf"
        folders = os.environ.get("XDG_CONFIG_DIRS", "/etc/xdg").split(":")
        shared = [*(Path(folder, "pip") for folder in folders), Path("/etc")]
        own = [home / ".pip", Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config", "pip")]
        if sys.platform == "darwin":
            own.append(home / "Library" / "Application Support" / "pip")
    if named and Path(named).exists():
        # It takes the place of the user's.
        return [*(folder / name for folder in (*shared, Path(sys.prefix))), Path(named)]
    return [folder / name for folder in (*shared, *own, Path(sys.prefix))]


def download_wheel(requirement: str, sha256: str, target: Path) -> None:
    """Downloads a wheel from the first configured index that has it.

    Args:
        requirement: `"name==version"`.
        sha256: of the wheel. Where an index names another for it, the wheel is
            not downloaded; what was downloaded is for the caller to verify.
        target: the file to write.

    Raises:
        OSError: if no index is configured, or none gives the wheel; the message
            names each address and what failed there, without passwords.
    """
    _download(index_addresses(), requirement, sha256, target, _WHEEL)


def download_sdist(requirement: str, sha256: str, target: Path) -> None:
    """Downloads a source distribution, and runs nothing of it.

    pip runs the build of one to learn its metadata. Where no index is
    configured, it is read from PyPI, as pip does.

    Args:
        requirement: `"name==version"`.
        sha256: of the `.tar.gz`, see `download_wheel`.
        target: the file to write.

    Raises:
        OSError: as `download_wheel`.
    """
    _download(index_addresses(_PYPI), requirement, sha256, target, _SDIST)


def _download(
    indexes: Sequence[str], requirement: str, sha256: str, target: Path, kind: _Kind
) -> None:
    failures = []
    for index in indexes:
        name = re.sub(r"[-_.]+", "-", requirement.partition("==")[0]).lower()
        page = f"{index.rstrip('/')}/{name}/"
        address = page
        try:
            address = _archive_address(page, requirement, sha256, kind)
            with _open(address, index) as source, open(target, "wb") as file:
                shutil.copyfileobj(source, file)
            return
        except (OSError, ValueError, http.client.HTTPException) as error:
            failures.append(f"{_shown(address)}: {error}")
    raise OSError("; ".join(failures) or "no package index is configured (PIP_INDEX_URL)")


def _archive_address(page: str, requirement: str, sha256: str, kind: _Kind) -> str:
    with _open(page, page) as answer:
        content, base = answer.read(_LARGEST_PAGE).decode("utf-8"), answer.geturl()
    # A page may lie elsewhere after a redirect; of a folder it is index.html.
    base = page if urllib.parse.urlsplit(base).scheme == "file" else base
    files = _in_json(content) if content.lstrip().startswith("{") else _in_html(content)
    name, _, version = requirement.partition("==")
    # The name in a source distribution may be spelled in any way.
    pattern = re.sub(r"[-_.]+", "[-_.]+", name) + f"-{re.escape(version)}{kind.pattern}"
    for address, digest in files:
        address = urllib.parse.urljoin(base, address)
        file = urllib.parse.unquote(urllib.parse.urlsplit(address).path).rpartition("/")[2]
        if re.fullmatch(pattern, file, re.IGNORECASE) and digest in (sha256, ""):
            return urllib.parse.urldefrag(address).url
    begin = f"{re.sub(r'[-_.]+', '_', name)}-{version}".lower()
    raise ValueError(f"it has no {kind.what} {begin}{kind.shown} with SHA-256 {sha256}")


def _in_json(content: str) -> list[tuple[str, str]]:
    """Addresses and SHA-256 of the files on a page of PEP 691; an unknown SHA-256 is empty."""
    try:
        files = json.loads(content)["files"]
        return [(one["url"], one.get("hashes", {}).get("sha256", "")) for one in files]
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise ValueError("it answers with JSON that is not that of PEP 691") from error


def _in_html(content: str) -> list[tuple[str, str]]:
    """The same of a page of PEP 503."""
    parser = _Links()
    parser.feed(content)
    return [(link, _digest(link)) for link in parser.links]


def _digest(link: str) -> str:
    kind, _, value = urllib.parse.urldefrag(link).fragment.partition("=")
    return value if kind == "sha256" else ""


class _Links(html.parser.HTMLParser):
    """Collects the targets of the links of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value for name, value in attrs if (tag, name) == ("a", "href") and value]


def _open(address: str, index: str) -> addinfourl:
    """Opens an address; user and password of the index go to the host of the index alone."""
    parts, configured = urllib.parse.urlsplit(address), urllib.parse.urlsplit(index)
    # A server does not choose files of this machine.
    allowed = ("file",) if configured.scheme == "file" else ("http", "https")
    if parts.scheme not in allowed:
        raise ValueError(f"expected an address with {' or '.join(allowed)}")
    path = f"{parts.path}index.html" if parts.scheme == "file" and parts.path[-1:] == "/" else ""
    request = urllib.request.Request(_without_user(parts._replace(path=path or parts.path)))
    request.add_header("Accept", _ACCEPT)
    if configured.username and parts.hostname == configured.hostname:
        pair = f"{configured.username}:{configured.password or ''}"
        token = base64.b64encode(urllib.parse.unquote(pair).encode()).decode()
        # A redirect to another host does not take it along.
        request.add_unredirected_header("Authorization", f"Basic {token}")
    certificates = os.environ.get("PIP_CERT") or _config().get("cert")
    context = ssl.create_default_context(cafile=certificates) if certificates else None
    return urllib.request.urlopen(request, timeout=_SECONDS, context=context)


def _without_user(parts: urllib.parse.SplitResult) -> str:
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _shown(address: str) -> str:
    return _without_user(urllib.parse.urlsplit(address))
