"""What the site adds to the pages: reference, notebooks, changelog, formulas and the picture.

MkDocs calls the functions that begin with `on_`.
"""

from __future__ import annotations

import ast
import html
import re
from pathlib import Path

from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "keras_attention"
TITLES = {
    "keras_attention": "The names at the top",
    "layers": "Layers",
    "scores": "Scores",
    "normalizers": "Normalizers",
    "windows": "Windows",
    "vision": "Vision",
    "losses": "Losses",
    "metrics": "Metrics",
    "callbacks": "Callbacks",
    "text": "Text",
    "generation": "Generation",
    "models": "Models",
    "export": "Export",
    "datasets": "Data",
    "recipes": "Recipes",
    "plots": "Plots",
    "tfa": "For people from tfa",
}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages that are made of the source."""
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        file = File(
            f"notebooks/{path.name}", str(ROOT), config.site_dir, config.use_directory_urls
        )
        files.append(file)
    changes = (ROOT / "CHANGELOG.md").read_text("utf-8")
    files.append(File.generated(config, "changelog.md", content=changes))
    rows = []
    for part, title in TITLES.items():
        names = public_names(part)
        listed = ", ".join(f"[`{n}`]({part}.md#{reference(part, n)})" for n in names)
        rows.append(f"| [{title}]({part}.md) | {listed} |")
        page = [f"# {title}", ""]
        for name in names:
            page += [f"::: {reference(part, name)}", ""]
        files.append(File.generated(config, f"reference/{part}.md", content="\n".join(page)))
    index = "\n".join(["# Reference", "", "| | |", "|---|---|", *rows, ""])
    files.append(File.generated(config, "reference/index.md", content=index))
    return files


def public_names(part: str) -> list[str]:
    """The names of an `__all__` that are not packages."""
    found = [n for n in declared(source_of(part)) if not is_package(n)]
    if not found:
        raise PluginError(f"keras_attention.{part} declares no __all__")
    return found


def is_package(name: str) -> bool:
    return (PACKAGE / name).is_dir() or (PACKAGE / f"{name}.py").exists()


def source_of(part: str) -> Path:
    if part == "keras_attention":
        return PACKAGE / "__init__.py"
    folder = PACKAGE / part / "__init__.py"
    return folder if folder.exists() else PACKAGE / f"{part}.py"


def declared(path: Path) -> list[str]:
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return list(ast.literal_eval(node.value))
    return []


def reference(part: str, name: str) -> str:
    return f"keras_attention.{name}" if part == "keras_attention" else f"keras_attention.{part}.{name}"


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    return markdown.replace("<!-- imports -->", picture_of_imports())


def on_page_content(content: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Formulas as MathML, which browsers draw without a script."""

    def formula(match: re.Match[str]) -> str:
        text = html.unescape(match[2])
        display = text.startswith("\\[")
        return convert(text[2:-2].strip(), display="block" if display else "inline")

    pattern = r'<(span|div) class="arithmatex">(.*?)</\1>'
    return re.sub(pattern, formula, content, flags=re.DOTALL)


def imports() -> dict[str, set[str]]:
    """Which part of the package imports which."""
    found: dict[str, set[str]] = {}
    for path in PACKAGE.rglob("*.py"):
        part = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if part.startswith("__"):
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(
                "keras_attention."
            ):
                other = node.module.split(".")[1]
                if other != part:
                    found.setdefault(part, set()).add(other)
    return found


def picture_of_imports() -> str:
    """The parts by level from left to right, each with a line to what it imports."""
    found = imports()
    parts = sorted({*found, *(x for others in found.values() for x in others)})
    level: dict[str, int] = {}

    def level_of(part: str, above: tuple[str, ...] = ()) -> int:
        if part not in level:
            below = [level_of(x, (*above, part)) for x in found.get(part, ()) if x not in above]
            level[part] = 1 + max(below, default=-1)
        return level[part]

    for part in parts:
        level_of(part)
    columns: dict[int, list[str]] = {}
    for part in parts:
        columns.setdefault(level[part], []).append(part)
    width, gap, step = 104, 36, 44
    height = step * max(map(len, columns.values())) + 20
    place = {}
    for number, column in columns.items():
        top = (height - step * len(column)) / 2
        for i, part in enumerate(column):
            place[part] = (10 + number * (width + gap), top + i * step + 8)
    lines = [
        f'<path d="M{place[a][0]} {place[a][1] + 14} C{place[a][0] - gap} {place[a][1] + 14} '
        f'{place[b][0] + width + gap} {place[b][1] + 14} {place[b][0] + width} {place[b][1] + 14}">'
        f"<title>{a} imports {b}</title></path>"
        for a in parts
        for b in sorted(found.get(a, ()))
        # An import inside a function may lead upwards.
        if level[b] < level[a]
    ]
    boxes = [
        f'<rect x="{x}" y="{y}" width="{width}" height="28" rx="4"/>'
        f'<text x="{x + width / 2}" y="{y + 18}" text-anchor="middle">{part}</text>'
        for part, (x, y) in place.items()
    ]
    total = 20 + (max(columns) + 1) * (width + gap)
    label = "Packages of keras_attention and what each imports"
    return (
        f'<figure class="imports"><svg viewBox="0 0 {total} {height}" width="{total}" '
        f'role="img" aria-label="{label}">{"".join(lines)}{"".join(boxes)}</svg></figure>'
    )
