"""Compares the layers with those of TensorFlow Addons, given the same weights.

    python -m benchmarks.compare_tfa.compare FILE.npz

Reads what `record.py` wrote, runs the counterpart of every case on the same inputs and
weights, and prints the largest difference of each. Fails if one exceeds the
rounding of float32. `make compare-tfa` runs both scripts; the tests run the same
comparison on the archive in tests/fixtures.
"""

import argparse
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from tests.support.tfa_cases import ROUNDING, largest_between, read


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("archive")
    parser.add_argument("--committed", help="an archive that should hold the same numbers")
    options = parser.parse_args(arguments)
    facts, cases = read(options.archive)
    named = " and ".join(f"{package} {version}" for package, version in facts["versions"].items())
    print(f"Largest differences from {named}, the same weights and inputs:")
    failed = 0
    for case in cases:
        found = case.differences()
        worst = max(found, key=lambda difference: difference.largest)
        wrong = worst.largest > ROUNDING
        mark = f"   <-- {worst.what}: more than rounding" if wrong else ""
        print(f"  {worst.largest:7.1e}  {case.name} ({len(found)} arrays){mark}")
        failed += wrong
    print(f"{len(cases) - failed} of {len(cases)} cases within {ROUNDING:.0e}.")
    if options.committed:
        between = largest_between(cases, read(options.committed)[1])
        print(f"{options.committed} differs from this run by {between:.1e}.")
        if between > ROUNDING:
            print(f"To renew it: cp {options.archive} {options.committed}")
            failed += 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
