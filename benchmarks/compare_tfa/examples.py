"""Runs the "before" code of the guide for migrating from tfa.

    python benchmarks/compare_tfa/examples.py docs/migrating-from-tfa.md

Like `record.py`, this runs in tfa's environment. The tests run the "after" code.
"""

import os
import re
import sys
import tempfile
from pathlib import Path


def main(guide):
    examples = re.findall(r"```py\n(.*?)```", Path(guide).read_text("utf-8"), re.DOTALL)
    here = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for number, code in enumerate(examples, 1):
            exec(compile(code, f"{guide}, example {number} of tfa", "exec"), {})
        os.chdir(here)
    print(f"{guide}: its {len(examples)} examples of tfa run")


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    main(sys.argv[1])
