"""Looks for accessibility faults on every page of the built documentation, in a real Chromium.

    python -m tests.docs build/site build/docs-test [--only PATH]

Each page is tried in light and dark, and as wide as a screen and as a phone. Faults that axe-core
calls serious or critical fail, and so do messages in the console and requests to other hosts.
Needs Node 20 with npm, and Chromium, as `tests.web` does. The packages are installed into
the second folder.
"""

from __future__ import annotations

import argparse
import os
import subprocess
from pathlib import Path

from tests.web.__main__ import check_programs, install

HERE = Path(__file__).parent


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("site", type=Path)
    parser.add_argument("packages", type=Path)
    parser.add_argument("--only", metavar="PATH", default="", help="pages whose path contains this")
    args = parser.parse_args()
    check_programs("tests.docs")
    packages = args.packages.resolve()
    packages.mkdir(parents=True, exist_ok=True)
    install(packages, "axe-core", "playwright-core")
    command = ["node", "--test", "--test-reporter=spec", str(HERE / "accessible.test.mjs")]
    variables = {"WEB_TEST": str(packages), "SITE": str(args.site.resolve()), "ONLY": args.only}
    raise SystemExit(subprocess.run(command, env={**os.environ, **variables}).returncode)


if __name__ == "__main__":
    main()
