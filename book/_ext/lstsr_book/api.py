"""The API reference: what public names are for, read from the source without running it.

Sphinx's autodoc was tried: five times the processor time for
Sphinx (26 s in place of 5), twice for a whole book.
"""

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

_PLACE = re.compile(r"^\{\{ reference (\w+) \}\}$", re.MULTILINE)
_ALL = re.compile(r"^\{\{ all modules \}\}$", re.MULTILINE)
_PUBLIC = re.compile(r"^\{\{ public names \}\}$", re.MULTILINE)
_CODE = re.compile(r"<code>([\w.]+)</code>")
_NAME_OF_A_TYPE = re.compile(r"(?<![\w&.])[A-Z]\w+")
_BETWEEN_PARAMETERS = re.compile(r", (?=\*?\*?\w+(?:: |=)|\*, )")
_LONGEST_LINE = 90


def fill_pages(folder: Path) -> None:
    """Replace what stands for modules in the pages of a folder by their reference.

    A line ``{{ reference geo }}`` becomes what the wing is for and a section on each of its modules, or one
    on a module that stands in no wing; ``{{ all modules }}`` a table of all modules that the pages hold,
    ``{{ public names }}`` one of the names that stand at the package's top.

    Parameters
    ----------
    folder : Path
        Holds Markdown files, which are rewritten.

    Raises
    ------
    InputError
        If a page names what the package has not, or what is named before.
    """
    pages = {path: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.md"))}
    package = _package()
    page_of: dict[str, str] = {}
    for path, content in pages.items():
        for name in _PLACE.findall(content):
            if name not in package.modules or name in page_of:
                fault = "was named before" if name in page_of else f"is no part of {PACKAGE}"
                raise InputError(
                    f"{path}: '{name}' {fault}; expected each wing and module once, "
                    "as {{ reference geo }}."
                )
            page_of[name] = path.stem
    reference = _Reference(package, page_of)
    for path, content in pages.items():
        filled = _PLACE.sub(lambda match: reference.part(match[1]), content)
        filled = _PUBLIC.sub(lambda _: reference.public_names(), filled)
        path.write_text(_ALL.sub(lambda _: reference.overview(), filled), encoding="utf-8")


@lru_cache(maxsize=1)
def _package() -> griffe.Module:
    package = griffe.load(PACKAGE, search_paths=[PROJECT], docstring_parser="numpy")
    assert isinstance(package, griffe.Module)
    return package


def _modules(part: griffe.Module) -> list[griffe.Module]:
    """The public modules of a wing; of a module that stands in none, itself."""
    if not part.is_package and not part.is_subpackage:
        return [part]
    return [module for name, module in sorted(part.modules.items()) if not name.startswith("_")]


def _public(holder: griffe.Module | griffe.Class) -> Iterator[griffe.Object]:
    """Members in the order of the source, without what was imported."""
    members = [
        member
        for name, member in holder.members.items()
        if isinstance(member, griffe.Object)
        and not isinstance(member, griffe.Module)
        and not name.startswith("_")
    ]
    yield from sorted(members, key=lambda member: member.lineno or 0)


def _parts(member: griffe.Class, fields: dict[str, Any]) -> list[griffe.Object]:
    """Of a class, what has an entry of its own: not the attributes that its docstring lists."""
    return [
        part
        for part in _public(member)
        if part.name in fields
        or isinstance(part, griffe.Function)
        or part.docstring
        or "property" in part.labels
    ]


class _Reference:
    """HTML of modules, every name in it that is documented here linked."""

    def __init__(self, package: griffe.Module, page_of: dict[str, str]) -> None:
        self.package = package
        self.page_of = page_of
        self.modules = [module for name in page_of for module in _modules(package.modules[name])]
        self.markdown = MarkdownIt("commonmark", {"html": False})
        self.documented = {module.path for module in self.modules}
        for member in (member for module in self.modules for member in _public(module)):
            self.documented.add(member.path)
            if isinstance(member, griffe.Class):
                self.documented |= {part.path for part in _parts(member, _fields(member))}

    def overview(self) -> str:
        """A table of the modules, with the first sentence of each."""
        rows = "\n".join(
            f'<tr><th scope="row">{self._link(module.path, module.path.partition(".")[2])}</th>'
            f'<td class="words">{self._first_sentence(module)}</td></tr>'
            for module in sorted(self.modules, key=lambda module: str(module.path))
        )
        head = '<th scope="col">Module</th><th scope="col">What it is</th>'
        return (
            '<div class="table-box" tabindex="0" role="region" aria-label="Modules, scrolls sideways">'
            '<table class="sortable api-modules" data-filter>\n'
            f"<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table></div>"
        )

    def public_names(self) -> str:
        """A table of the names at the package's top, which lead to the functions that they are."""
        targets = {str(name): self.package[str(name)].final_target for name in self.package.exports or ()}
        rows = "\n".join(
            f'<tr><th scope="row">{self._link(target.path, f"{PACKAGE}.{name}")}</th>'
            f'<td class="words">{self._first_sentence(target)}</td></tr>'
            for name, target in targets.items()
        )
        head = '<th scope="col">Name</th><th scope="col">What it does</th>'
        table = f"<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody>"
        return f'<table class="api-modules">\n{table}\n</table>'

    def part(self, name: str) -> str:
        """What a wing is for, and a section on each of its modules."""
        part = self.package.modules[name]
        modules = _modules(part)
        introduction = [part.docstring.value] if part.docstring and modules != [part] else []
        return "\n\n".join([*introduction, *map(self._section, modules)])

    def _section(self, module: griffe.Module) -> str:
        members = "\n".join(self._entry(member) for member in _public(module))
        listed = f"<dl>\n{members}\n</dl>" if members else ""
        body = f'<div class="api" id="{module.path}">\n{self._docstring(module)}\n{listed}\n</div>'
        # A fence longer than any in a docstring; without one, a blank line would end the HTML.
        return f"## {module.name}\n\n``````{{raw}} html\n{body}\n``````"

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
        shown = self._types(f"{part.name}: {part.annotation}{default}", part)
        meaning = self._prose(field.description or "", part)
        return f'<dt id="{part.path}"><code>{shown}</code></dt>\n<dd>{meaning}</dd>'

    def _term(self, member: griffe.Object) -> str:
        kind = next(
            (label for label in ("classmethod", "staticmethod", "property") if label in member.labels), ""
        )
        shown = member.name
        if isinstance(member, griffe.Class):
            kind = "class"
            shown = member.signature(return_type=False) if "__init__" in member.members else shown
            shown += f" of {', '.join(map(str, member.bases))}" if member.bases else ""
        elif isinstance(member, griffe.Function):
            shown = member.signature().replace(" -> ", " → ")
        elif isinstance(member, griffe.Attribute):
            shown += f": {member.annotation}" if member.annotation is not None else ""
            value = str(member.value) if member.value is not None else ""
            shown += f" = {value}" if value and "\n" not in value and len(value) <= _LONGEST_LINE else ""
        first, bracket, rest = shown.partition("(")
        if len(shown) > _LONGEST_LINE and bracket and not isinstance(member, griffe.Attribute):
            shown = f"{first}(\n    " + _BETWEEN_PARAMETERS.sub(",\n    ", rest)
        label = f"<i>{kind} </i>" if kind else ""
        anchor = f'<a class="headerlink" href="#{member.path}" aria-label="Link to {text(member.name)}">#</a>'
        return f'<dt id="{member.path}"><code>{label}{self._types(shown, member)}</code>{anchor}</dt>'

    def _types(self, signature: str, member: griffe.Object) -> str:
        """A signature with the types that are documented here linked; types begin with a capital letter."""

        def linked(match: re.Match[str]) -> str:
            path = self._resolve(match[0], member)
            return self._link(path, match[0]) if path and path != member.path else match[0]

        return _NAME_OF_A_TYPE.sub(linked, text(signature))

    def _resolve(self, name: str, member: griffe.Object) -> str | None:
        """The path of what a name can mean in a member's docstring or signature, if it is documented here."""
        first, dot, rest = name.partition(".")
        candidates = []
        for scope in (member, member.module):
            with suppress(griffe.NameResolutionError):
                candidates.append(scope.resolve(first) + dot + rest)
        candidates += [f"{PACKAGE}.{name}", name]
        return next((path for path in candidates if path in self.documented and path != member.path), None)

    def _docstring(self, member: griffe.Object) -> str:
        if member.docstring is None:
            return ""
        shown = []
        for section in member.docstring.parsed:
            if section.kind is griffe.DocstringSectionKind.text:
                shown.append(self._prose(section.value, member))
            elif section.kind is griffe.DocstringSectionKind.examples:
                shown += [self._prose(example, member) for _, example in section.value]
            elif section.kind is griffe.DocstringSectionKind.admonition:
                title = f'<p class="rubric">{text(section.title or "")}</p>'
                shown.append(title + self._prose(section.value.description, member))
            else:  # parameters, attributes, returns, yields, raises
                items = "".join(self._item(item, member) for item in section.value)
                shown.append(
                    f'<p class="rubric">{section.kind.value.capitalize()}</p><dl class="fields">{items}</dl>'
                )
        return "\n".join(shown)

    def _item(self, item: griffe.DocstringElement, member: griffe.Object) -> str:
        names = (
            f"<code>{text(item.name)}</code>"
            if isinstance(item, griffe.DocstringNamedElement) and item.name
            else ""
        )
        annotation = item.annotation
        if (
            isinstance(member, griffe.Function)
            and isinstance(item, griffe.DocstringParameter)
            and isinstance(annotation, griffe.Expr)
        ):
            # Of names that share a line without a type, griffe gives each the first one's.
            signature = {parameter.name: parameter.annotation for parameter in member.parameters}
            annotation = signature.get(item.name) or annotation
        kind = self._types(str(annotation or ""), member)
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
        parameters = (
            {item.name for item in member.parameters} if isinstance(member, griffe.Function) else set()
        )
        path = self._resolve(match[1], member) if match[1] not in parameters else None
        return self._link(path, match[0], escape=False) if path else match[0]

    def _link(self, path: str, shown: str, escape: bool = True) -> str:
        page = self.page_of[path.split(".")[1]]
        return f'<a href="{page}.html#{path}">{text(shown) if escape else shown}</a>'

    def _first_sentence(self, member: griffe.Object) -> str:
        return self._prose(member.docstring.value.split("\n\n")[0], member) if member.docstring else ""


def _fields(member: griffe.Class) -> dict[str, Any]:
    """A pydantic model's fields, whose descriptions are made on import; nothing for others."""
    if not any(str(base) == "BaseModel" for holder in (member, *member.mro()) for base in holder.bases):
        return {}
    model: type[BaseModel] = getattr(importlib.import_module(member.module.path), member.name)
    return {name: field for name, field in model.model_fields.items() if name in member.members}
