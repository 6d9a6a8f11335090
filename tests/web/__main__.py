"""Exports models for the browser, and tests their pages in a real Chromium.

    python -m tests.web build/web-test [--keep] [--only NAME]

Needs Node 20 with npm, and Chromium (Debian's packages `chromium` and `nodejs`, `npm`; another
Chromium by the environment variable CHROMIUM). The packages of package.json are installed into the
folder, where the exports, the answers of the models in Python, and pictures of the pages stay too.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

HERE = Path(__file__).parent


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--keep", action="store_true", help="use the exports that are there")
    parser.add_argument("--only", metavar="NAME", help="only the tests of this name")
    args = parser.parse_args()
    check_programs("tests.web")
    folder = args.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    install(folder)
    if not args.keep:
        from tests.web.exports import write_all

        write_all(folder, folder / "node_modules" / "onnxruntime-web")
    names = [args.only] if args.only else ["page", "errors", "equal"]
    files = [str(HERE / f"{name}.test.mjs") for name in names]
    command = ["node", "--test", "--test-concurrency=1", "--test-reporter=spec", *files]
    environment = {**os.environ, "WEB_TEST": str(folder)}
    raise SystemExit(subprocess.run(command, env=environment).returncode)


def check_programs(name: str) -> None:
    """Ends the command `name` if a program is missing."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            raise SystemExit(f"{name}: error: {program} is not installed")


def install(folder: Path, *names: str) -> None:
    """The packages of package.json, or those of these names, unless they are there."""
    wanted = json.loads((HERE / "package.json").read_text("utf-8"))
    versions = wanted["dependencies"]
    wanted["dependencies"] = {name: versions[name] for name in names or versions}
    text, there = json.dumps(wanted), folder / "package.json"
    if there.exists() and there.read_text("utf-8") == text:
        return
    (folder / "package.tmp").write_text(text, "utf-8")
    (folder / "package.tmp").replace(there)
    command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts"]
    done = subprocess.run(command, cwd=folder, stdout=sys.stderr)
    if done.returncode:
        there.unlink()
        raise SystemExit("tests.web: error: npm install failed")


if __name__ == "__main__":
    main()
