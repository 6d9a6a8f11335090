"""Executes notebooks in place and cleans their outputs, so that they can be committed.

    python notebooks/run.py             all notebooks of this folder
    python notebooks/run.py FILE ...    these

Log lines on stderr, timings and machine-dependent metadata are left out. An
output with a path of this machine is an error, and the file is not changed.
"""

import argparse
import re
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).resolve().parent
MACHINE_PATH = re.compile(r"(?<![\w.~:/])/(?:home|root|tmp|work|Users|usr|opt|mnt|var)/[^\s'\",)]*")


def execute(notebook, folder, timeout=1800):
    """Runs all cells in `folder` with the interpreter that runs this, and cleans the result."""
    client = NotebookClient(
        notebook,
        timeout=timeout,
        kernel_name="python3",
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute()
    return notebook


# Names a widget of a kernel that has ended. Its picture stays.
WIDGET = "application/vnd.jupyter.widget-view+json"


def clean(notebook):
    """Removes metadata, log lines and live widgets of the run."""
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for cell in notebook.cells:
        cell.metadata = {}
        if cell.cell_type == "code":
            cell.outputs = [o for o in cell.outputs if o.get("name") != "stderr"]
            for output in cell.outputs:
                output.get("data", {}).pop(WIDGET, None)
                if "metadata" in output:
                    output.metadata = {}
    return notebook


def shown(notebook):
    """All texts among the outputs."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            yield output.get("text", "")
            yield from (v for k, v in output.get("data", {}).items() if k.startswith("text/"))


def machine_paths(notebook):
    """The paths of this machine among the outputs."""
    here = {str(path) for path in (HERE.parent, Path.home()) if path != Path(path.anchor)}
    found = set()
    for text in shown(notebook):
        found.update(MACHINE_PATH.findall(text), (path for path in here if path in text))
    return sorted(found)


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("notebooks", nargs="*", type=Path, metavar="FILE")
    chosen = parser.parse_args(arguments).notebooks or sorted(HERE.glob("*.ipynb"))
    for path in chosen:
        if not path.is_file():
            parser.error(f"{path}: there is no such notebook.")
        print(f"{path.name} ...", flush=True)
        notebook = clean(execute(nbformat.read(path, as_version=4), path.resolve().parent))
        paths = machine_paths(notebook)
        if paths:
            sys.exit(f"{path.name}: not written, since it shows paths of this machine: {paths}")
        nbformat.write(notebook, path)


if __name__ == "__main__":
    main()
