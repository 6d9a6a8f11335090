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
from mkdocs.plugins import event_priority
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
    "widgets": "Widgets",
    "explain": "Explanation",
    "testing": "Testing",
    "tfa": "For people from tfa",
}


# Before the plugin that renders notebooks looks for them.
@event_priority(100)
def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages that are made of the source."""
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        file = File(f"notebooks/{path.name}", str(ROOT), config.site_dir, config.use_directory_urls)
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
    return (
        f"keras_attention.{name}" if part == "keras_attention" else f"keras_attention.{part}.{name}"
    )


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    return markdown.replace("<!-- imports -->", picture_of_imports())


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """The search, whose dialog the theme leaves without a name, is announced as one."""
    return _named_search(output)


def on_post_template(output: str, template_name: str, config: MkDocsConfig) -> str:
    """As of pages, for 404.html."""
    return _named_search(output)


def _named_search(output: str) -> str:
    dialog = 'data-md-component="search" role="dialog"'
    return output.replace(dialog, f'{dialog} aria-label="Search"')


def on_page_content(content: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Formulas as MathML, which browsers draw without a script."""
    if page.file.src_uri.endswith(".ipynb"):
        # Of a notebook they are still between dollars; code has dollars of its own.
        parts = re.split(r"(<(pre|code|script|style)\b.*?</\2>)", content, flags=re.DOTALL)
        prose, others = parts[::3], parts[1::3]
        prose = [re.sub(r"(\$\$?)([^$<>]+)\1", _of_dollars, part) for part in prose]
        return "".join(p + o for p, o in zip(prose, [*others, ""]))
    pattern = r'<(span|div) class="arithmatex">(.*?)</\1>'
    return re.sub(pattern, _of_arithmatex, content, flags=re.DOTALL)


def _of_arithmatex(match: re.Match[str]) -> str:
    text = html.unescape(match[2])
    return _mathml(text[2:-2], display=text.startswith("\\["))


def _of_dollars(match: re.Match[str]) -> str:
    return _mathml(html.unescape(match[2]), display=len(match[1]) == 2)


def _mathml(text: str, display: bool) -> str:
    return convert(text.strip(), display="block" if display else "inline")


def imports() -> dict[str, set[str]]:
    """Which part of the package imports which when it is imported itself."""
    found: dict[str, set[str]] = {}
    for path in PACKAGE.rglob("*.py"):
        part = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if part.startswith("__"):
            continue
        found.setdefault(part, set())
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.ImportFrom) and f"{node.module}".startswith("keras_attention."):
                found[part].add(f"{node.module}".split(".")[1])
        found[part].discard(part)
    return found


def picture_of_imports() -> str:
    """The parts in rows, each above what it imports, with a line to the nearest of them."""
    below: dict[str, set[str]] = {}
    found = imports()

    def all_below(part: str) -> set[str]:
        if part not in below:
            below[part] = set(found[part]).union(*(all_below(one) for one in found[part]))
        return below[part]

    def level(part: str) -> int:
        return 1 + max(map(level, found[part]), default=-1)

    rows: dict[int, list[str]] = {}
    for part in sorted(found):
        rows.setdefault(level(part), []).append(part)
    width, gap, step = 100, 14, 64
    total = max(map(len, rows.values())) * (width + gap)
    place = {
        part: (
            (total - len(row) * (width + gap)) / 2 + i * (width + gap),
            (top - number) * step + 4,
        )
        for top in [max(rows)]
        for number, row in rows.items()
        for i, part in enumerate(row)
    }
    lines = []
    for part, (x, y) in place.items():
        for other in sorted(found[part]):
            if any(other in all_below(between) for between in found[part]):
                continue
            to_x, to_y = place[other][0] + width / 2, place[other][1]
            lines.append(
                f'<path d="M{x + width / 2} {y + 30} C{x + width / 2} {y + 56} '
                f'{to_x} {to_y - 26} {to_x} {to_y}"><title>{part} imports {other}</title></path>'
            )
    boxes = [
        f'<rect x="{x}" y="{y}" width="{width}" height="30" rx="4"/>'
        f'<text x="{x + width / 2}" y="{y + 20}" text-anchor="middle">{part}</text>'
        for part, (x, y) in place.items()
    ]
    height = (max(rows) + 1) * step
    return (
        f'<figure class="imports"><svg viewBox="-2 0 {total} {height}" width="{total}" role="img" '
        f'aria-label="Packages of keras_attention, each above those that it imports">'
        f"{''.join(lines)}{''.join(boxes)}</svg></figure>"
    )
