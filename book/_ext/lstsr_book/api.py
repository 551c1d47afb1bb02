"""The API reference: what the package's public names are for, read from signatures and docstrings without running any code."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import griffe
from markdown_it import MarkdownIt

from lstsr_book.markup import text
from lstsr_core.base.errors import InputError
from lstsr_core.base.fingerprint import PACKAGE
from lstsr_core.base.project import PROJECT

if TYPE_CHECKING:
    from pydantic import BaseModel

_ONE = re.compile(r"^\{\{ module ([\w.]+) \}\}$", re.MULTILINE)
_ALL = re.compile(r"^\{\{ all modules \}\}$", re.MULTILINE)
_CODE = re.compile(r"<code>([\w.]+)</code>")
_LONGEST_LINE = 90
_SECTIONS = {"parameters": "Parameters", "attributes": "Attributes", "returns": "Returns", "yields": "Yields", "raises": "Raises"}


def public_modules(package: Path) -> list[str]:
    """Dotted names of the modules below a package's folder, without those that begin with an underscore."""
    paths = (path.relative_to(package).with_suffix("") for path in package.rglob("*.py"))
    return sorted(".".join(path.parts) for path in paths if not path.name.startswith("_"))


def fill_pages(folder: Path) -> None:
    """Replace what stands for modules in the pages of a folder by their reference.

    A line ``{{ module geo.raster }}`` becomes a section on that module; ``{{ all modules }}`` a table of all
    modules that the pages hold.

    Parameters
    ----------
    folder : Path
        Holds Markdown files, which are rewritten.

    Raises
    ------
    InputError
        If a page names a module that the package has not, or that is named before.
    """
    pages = {path: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.md"))}
    modules = _modules()
    page_of: dict[str, str] = {}
    for path, content in pages.items():
        for name in _ONE.findall(content):
            if name not in modules or name in page_of:
                fault = "was named before" if name in page_of else f"is no module of {PACKAGE}"
                raise InputError(f"{path}: '{name}' {fault}; expected each module once, as {{{{ module geo.raster }}}}.")
            page_of[name] = path.stem
    reference = _Reference(modules, page_of)
    for path, content in pages.items():
        filled = _ONE.sub(lambda match: reference.section(match[1]), content)
        path.write_text(_ALL.sub(lambda _: reference.overview(), filled), encoding="utf-8")


@lru_cache(maxsize=1)
def _modules() -> dict[str, griffe.Module]:
    """Every module of the package, those of its wings too, by its name below the package."""
    package = griffe.load(PACKAGE, search_paths=[PROJECT], docstring_parser="numpy")
    assert isinstance(package, griffe.Module)
    wings = {name: module for name, module in package.modules.items() if module.is_subpackage}
    inside = {f"{wing}.{name}": module for wing, holder in wings.items() for name, module in holder.modules.items()}
    return {**{name: module for name, module in package.modules.items() if name not in wings}, **inside}


def _public(holder: griffe.Module | griffe.Class) -> Iterator[griffe.Object]:
    """Members in the order of the source, without what was imported."""
    found = [member for name, member in holder.members.items() if not name.startswith("_")]
    own = [member for member in found if isinstance(member, griffe.Object) and not isinstance(member, griffe.Module)]
    yield from sorted(own, key=lambda member: member.lineno or 0)


def _parts(member: griffe.Class, fields: dict[str, Any]) -> list[griffe.Object]:
    """Of a class, what has an entry of its own: not the attributes that its docstring lists."""
    return [
        part
        for part in _public(member)
        if part.name in fields or isinstance(part, griffe.Function) or part.docstring or "property" in part.labels
    ]


class _Reference:
    """HTML of modules, every name in it that is documented here linked."""

    def __init__(self, modules: dict[str, griffe.Module], page_of: dict[str, str]) -> None:
        self.modules = modules
        self.page_of = page_of
        self.markdown = MarkdownIt("commonmark", {"html": False})
        self.known = {f"{PACKAGE}.{name}" for name in page_of}
        for name in page_of:
            for member in _public(modules[name]):
                self.known.add(member.path)
                if isinstance(member, griffe.Class):
                    self.known |= {part.path for part in _parts(member, _fields(member))}

    def overview(self) -> str:
        """A table of the modules, with the first sentence of each."""
        rows = "\n".join(
            f'<tr><th scope="row">{self._link(module.path, name)}</th><td class="words">{self._first_sentence(module)}</td></tr>'
            for name, module in sorted(self.modules.items())
            if name in self.page_of
        )
        head = '<th scope="col">Module</th><th scope="col">What it is</th>'
        return (
            '<div class="table-box" tabindex="0" role="region" aria-label="Modules, scrolls sideways">'
            '<table class="sortable api-modules" data-filter>\n'
            f"<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table></div>"
        )

    def section(self, name: str) -> str:
        """A module's heading, docstring and members."""
        module = self.modules[name]
        members = "\n".join(self._entry(member) for member in _public(module))
        listed = f"<dl>\n{members}\n</dl>" if members else ""
        body = f'<div class="api" id="{module.path}">\n{self._docstring(module)}\n{listed}\n</div>'
        # A fence longer than any in a docstring; without one, a blank line would end the HTML.
        return f"## {name.rpartition('.')[2]}\n\n``````{{raw}} html\n{body}\n``````"

    def _entry(self, member: griffe.Object) -> str:
        parts = ""
        if isinstance(member, griffe.Class):
            fields = _fields(member)
            inner = [
                self._field(part, fields[part.name]) if part.name in fields else self._entry(part)
                for part in _parts(member, fields)
            ]
            parts = f"<dl>\n{chr(10).join(inner)}\n</dl>" if inner else ""
        return f"{self._term(member)}\n<dd>{self._docstring(member)}{parts}</dd>"

    def _field(self, part: griffe.Object, field: Any) -> str:
        default = "" if field.is_required() else f" = {field.get_default(call_default_factory=True)!r}"
        assert isinstance(part, griffe.Attribute)
        shown = f"{text(part.name)}: {self._expression(part.annotation)}{text(default)}"
        return f'<dt id="{part.path}"><code>{shown}</code></dt>\n<dd>{self._prose(field.description or "", part)}</dd>'

    def _term(self, member: griffe.Object) -> str:
        kind, shown = "", text(member.name)
        if isinstance(member, griffe.Class):
            bases = ", ".join(self._expression(base) for base in member.bases)
            kind, shown = "class ", f"{shown}{self._arguments(member)}" + (f" <small>of {bases}</small>" if bases else "")
        elif isinstance(member, griffe.Function):
            kind = "classmethod " if "classmethod" in member.labels else "static " if "staticmethod" in member.labels else ""
            returned = f" → {self._expression(member.returns)}" if member.returns is not None else ""
            shown += f"{self._arguments(member)}{returned}"
        elif isinstance(member, griffe.Attribute):
            kind = "property " if "property" in member.labels else ""
            if member.annotation is not None:
                shown += f": {self._expression(member.annotation)}"
            value = str(member.value) if member.value is not None else ""
            if value and "\n" not in value and len(value) <= _LONGEST_LINE:
                shown += f" = {text(value)}"
        label = f"<i>{kind}</i>" if kind else ""
        anchor = f'<a class="headerlink" href="#{member.path}" aria-label="Link to {text(member.name)}">#</a>'
        return f'<dt id="{member.path}"><code>{label}{shown}</code>{anchor}</dt>'

    def _arguments(self, member: griffe.Function | griffe.Class) -> str:
        if isinstance(member, griffe.Class) and "__init__" not in member.members:
            return ""
        stars = {griffe.ParameterKind.var_positional: "*", griffe.ParameterKind.var_keyword: "**"}
        shown, length, starred = [], 0, False
        for parameter in member.parameters:
            if parameter.name in ("self", "cls"):
                continue
            if parameter.kind is griffe.ParameterKind.keyword_only and not starred:
                shown.append("*")
            starred = starred or parameter.kind in (griffe.ParameterKind.keyword_only, griffe.ParameterKind.var_positional)
            star = stars.get(parameter.kind, "")
            # Of its own line only what a caller can leave out has a value; griffe gives stars an empty one.
            default = f" = {parameter.default}" if parameter.default is not None and not star else ""
            annotation = f": {self._expression(parameter.annotation)}" if parameter.annotation is not None else ""
            shown.append(f"{star}{text(parameter.name)}{annotation}{text(default)}")
            length += len(f"{parameter.name}{parameter.annotation or ''}{default}") + 4
        if length <= _LONGEST_LINE:
            return f"({', '.join(shown)})"
        return "(\n" + "".join(f"    {argument},\n" for argument in shown) + ")"

    def _expression(self, expression: str | griffe.Expr | None) -> str:
        if not isinstance(expression, griffe.Expr):
            return text(expression or "")
        pieces = []
        for piece in expression.iterate(flat=True):
            if isinstance(piece, griffe.ExprName):
                known = piece.canonical_path in self.known
                pieces.append(self._link(piece.canonical_path, piece.name) if known else text(piece.name))
            else:
                pieces.append(text(piece))
        return "".join(pieces)

    def _docstring(self, member: griffe.Object) -> str:
        if member.docstring is None:
            return ""
        shown = []
        for section in member.docstring.parsed:
            if section.kind is griffe.DocstringSectionKind.text:
                shown.append(self._prose(section.value, member))
            elif section.kind.value in _SECTIONS:
                items = "".join(self._item(item, member) for item in section.value)
                shown.append(f'<p class="rubric">{_SECTIONS[section.kind.value]}</p><dl class="fields">{items}</dl>')
            elif section.kind is griffe.DocstringSectionKind.examples:
                shown.append("\n".join(self._prose(example, member) for _, example in section.value))
            elif section.kind is griffe.DocstringSectionKind.admonition:
                title = f'<p class="rubric">{text(section.title or "")}</p>'
                shown.append(title + self._prose(section.value.description, member))
            else:
                raise InputError(f"{member.path}: the book cannot show its docstring's section '{section.kind.value}'.")
        return "\n".join(shown)

    def _item(self, item: griffe.DocstringElement, member: griffe.Object) -> str:
        names = f"<code>{text(item.name)}</code>" if isinstance(item, griffe.DocstringNamedElement) and item.name else ""
        annotation = item.annotation
        if (
            isinstance(member, griffe.Function)
            and isinstance(item, griffe.DocstringParameter)
            and isinstance(annotation, griffe.Expr)
        ):
            # Of names that share a line without a type, griffe gives each the first one's.
            signature = {parameter.name: parameter.annotation for parameter in member.parameters}
            annotation = signature.get(item.name) or annotation
        kind = self._expression(annotation)
        described = self._prose(item.description, member) if item.description else ""
        return f"<dt>{names}{' : ' if names and kind else ''}{kind}</dt><dd>{described}</dd>"

    def _prose(self, content: str, member: griffe.Object) -> str:
        paragraphs = (
            f"<pre>{text(paragraph)}</pre>" if paragraph.lstrip().startswith(">>>")
            else self.markdown.render(paragraph.replace("``", "`")).strip()
            for paragraph in re.split(r"\n\s*\n", content.strip("\n"))
        )  # fmt: skip
        return _CODE.sub(lambda match: self._reference(match, member), "\n".join(paragraphs))

    def _reference(self, match: re.Match[str], member: griffe.Object) -> str:
        """A name in code, linked if it is one of the package's that can be meant here."""
        name = match[1]
        own = {parameter.name for parameter in member.parameters} if isinstance(member, griffe.Function) else set()
        if name in own:
            return match[0]
        first, dot, rest = name.partition(".")
        candidates = []
        for scope in (member, member.module):
            with suppress(griffe.NameResolutionError):
                candidates.append(scope.resolve(first) + dot + rest)
        candidates += [f"{PACKAGE}.{name}", name]
        meant = (candidate for candidate in candidates if candidate in self.known and candidate != member.path)
        found = next(meant, None)
        return self._link(found, match[0], escape=False) if found else match[0]

    def _link(self, path: str, shown: str, escape: bool = True) -> str:
        _, first, *rest = path.split(".")
        page = self.page_of[first] if first in self.page_of else self.page_of[f"{first}.{rest[0]}"]
        return f'<a href="{page}.html#{path}">{text(shown) if escape else shown}</a>'

    def _first_sentence(self, module: griffe.Module) -> str:
        return self._prose(module.docstring.value.split("\n\n")[0], module) if module.docstring else ""


def _fields(member: griffe.Class) -> dict[str, Any]:
    """The fields of a pydantic model, whose descriptions are made when the module is imported; nothing for other classes."""
    if not any(str(base) == "BaseModel" for holder in (member, *member.mro()) for base in holder.bases):
        return {}
    model: type[BaseModel] = getattr(importlib.import_module(member.module.path), member.name)
    return {name: field for name, field in model.model_fields.items() if name in member.members}
