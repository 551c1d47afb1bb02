"""The exceptions that bad input raises."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError


class InputError(ValueError):
    """Input that cannot be used; the message names it, what was expected and what to do.

    The command line shows the message alone, on one line, and exits with 1.
    """


class NoResult(InputError):
    """One method has no result for one pair; the message
    stands in the results table, and the others go on."""


class UnreadableGranule(InputError):
    """A granule that cannot be read; the message stands in the table of granules, and the others go on."""


def invalid(error: ValidationError, model: type[BaseModel], kind: str, where: str) -> InputError:
    """What is wrong with values of a model, in one line: each
    name with its value, why not, and what it means.

    Parameters
    ----------
    error : ValidationError
    model : type of BaseModel
        Each field has a description.
    kind : str
        What a field is called, "setting" or "parameter".
    where : str
        What to name first, such as the file that holds the values.
    """
    # By head and end: a value that may be of several types has a reason for each.
    lines: dict[tuple[str, str], list[str]] = {}
    for detail in error.errors():
        name = str(detail["loc"][0]) if detail["loc"] else ""
        meaning = f" ({model.model_fields[name].description})" if name in model.model_fields else ""
        reason = detail["msg"].removeprefix("Value error, ")
        if not name:
            lines[reason, ""] = []
        elif detail["type"] == "extra_forbidden":
            lines[f"there is no {kind} '{name}'; known: {', '.join(model.model_fields)}", ""] = []
        elif detail["type"] == "missing":
            lines[f"{kind} '{name}' is missing", meaning] = []
        else:
            reasons = lines.setdefault((f"{kind} '{name}' is {detail['input']!r}: ", meaning), [])
            reasons.append(reason[:1].lower() + reason[1:])
    messages = [head + ", or ".join(reasons) + end for (head, end), reasons in lines.items()]
    return InputError(f"{where}: {'; '.join(messages)}")
