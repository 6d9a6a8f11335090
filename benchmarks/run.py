"""Measures this library beside others; exits non-zero if a claim does not hold.

    make bench
    python benchmarks/run.py additive --rounds 9          # some of it
    python benchmarks/run.py additive --without torch tfa # without some environments
    python benchmarks/run.py additive --only 32x40x40x256 # one comparison; checks no claim

Writes results.json (ratios, then every turn of every case) and table.md into
build/bench. `harness.py` says how to add a benchmark.
"""

import argparse
import importlib
import json
import os
import sys
from pathlib import Path

from environments import ROOT, UnavailableError, python_of
from harness import THREADS, machine, measure, table

BENCHMARKS = ("additive", "train_step", "growth", "all_at_once", "beam")


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("benchmarks", nargs="*", help=f"of {', '.join(BENCHMARKS)}; default all")
    parser.add_argument("--rounds", type=int, default=7, help="turns of each case; default 7")
    parser.add_argument("--without", nargs="+", default=[], help="environments to leave out")
    parser.add_argument("--only", nargs="+", help="comparisons, by their labels")
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "bench")
    parser.add_argument("--smoke", action="store_true", help="tiny sizes: does it run at all?")
    options = parser.parse_args(arguments)

    modules = {name: importlib.import_module(name) for name in options.benchmarks or BENCHMARKS}
    options.output.mkdir(parents=True, exist_ok=True)
    pythons, missing = _pythons(modules.values(), options)
    command = "make bench" if arguments is None and len(sys.argv) == 1 else " ".join(sys.argv)
    results = {
        "command": command,
        "machine": machine(),
        "threads": THREADS,
        "load_before": round(os.getloadavg()[0], 2),
        "rounds": options.rounds,
        "missing": missing,
    }
    page, everything, claims = [f"# {command}", f"{machine()}; {options.rounds} rounds."], {}, []
    page += [f"Left out: {reason}" for reason in missing.values()]
    for name, module in modules.items():
        page.append(f"## {name}\n\n{module.__doc__.strip()}")
        everything[name] = {}
        for comparison in module.comparisons(options.smoke):
            if options.only and comparison.label not in options.only:
                continue
            print(f"{name}, {comparison.label} ...", file=sys.stderr, flush=True)
            found = measure(
                name, comparison, pythons, options.rounds, options.output, options.smoke
            )
            everything[name][comparison.label] = found
            page.append(f"### {name}: {comparison.label}\n\n{table(found)}")
            print(page[-1] + "\n", flush=True)
        results[name] = module.summary(everything[name])
        if not options.smoke and not options.only:
            claims += module.claims(results[name])
        if hasattr(module, "draw"):
            module.draw(everything[name], options.output)
    results["claims"] = dict(claims)
    results["cases"] = everything
    words = {True: "holds", False: "FAILS", None: "not measured"}
    verdicts = [f"- {words[holds]}: {sentence}" for sentence, holds in claims]
    page.append("## Claims\n\n" + "\n".join(verdicts))
    print("\n".join(verdicts))
    _write(options.output / "results.json", json.dumps(results, indent=1))
    _write(options.output / "table.md", "\n\n".join(page))
    return int(any(holds is False for _, holds in claims))


def _pythons(modules, options):
    comparisons = [c for module in modules for c in module.comparisons(options.smoke)]
    wanted = {case.environment for c in comparisons for case in c.cases} - set(options.without)
    pythons, missing = {}, {name: f"{name}: not asked for." for name in options.without}
    for name in sorted(wanted):
        try:
            pythons[name] = python_of(name)
        except UnavailableError as reason:
            missing[name] = str(reason)
            print(reason, file=sys.stderr)
    return pythons, missing


def _write(path, text):
    path.write_text(text + "\n", "utf-8")
    print(f"Wrote {path}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
