"""The list of routes in the reference, made from the OpenAPI document: `python -m tests.unit.docs.http_page` writes
it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from omnidaemon import OmniDaemonSDK, load_settings
from omnidaemon.api import create_app
from omnidaemon.entrypoints.http.scopes import SCOPES
from tests.unit.docs.pages import DOCS

PAGE = DOCS / "reference" / "http.md"
MARK = "<!-- From here on made from the code by `python -m tests.unit.docs.http_page`. -->\n"

Shape = dict[str, Any]


def document() -> Shape:
    """What the API says of itself."""
    sdk = OmniDaemonSDK(settings=load_settings({"event_bus_type": "memory"}, environ={}))
    return create_app(sdk).openapi()


def rendered() -> str:
    """All routes under their headings, then the shapes of what they take and answer, as they stand on the page."""
    told = document()
    tags: dict[str, list[str]] = {}
    for path, methods in told["paths"].items():
        for method, operation in methods.items():
            tags.setdefault(operation["tags"][0], []).append(_operation(method.upper(), path, operation))
    routes = [f"## {tag[0].upper()}{tag[1:]}\n\n" + "\n".join(parts) for tag, parts in tags.items()]
    shapes = [_shape(name, shape) for name, shape in sorted(told["components"]["schemas"].items())]
    return "\n".join([*routes, "## Shapes\n", *shapes])


def _operation(method: str, path: str, operation: Shape) -> str:
    description = operation["description"].partition("\n\nScope:")[0].replace("\n", " ")
    scope = SCOPES[method, path]
    lines = [f"### `{method} {path}`\n", f"{description} Scope: {f'`{scope}`' if scope else 'none needed'}.\n"]
    if parameters := operation.get("parameters"):
        lines += ["| | in | |", "|---|---|---|"]
        for one in parameters:
            default = one["schema"].get("default")
            tail = f" Default {default}." if default is not None else ""
            lines.append(f"| `{one['name']}` | {one['in']} | {one.get('description', '')}{tail} |")
        lines.append("")
    if body := operation.get("requestBody"):
        lines.append(f"Takes {_kind(body['content']['application/json']['schema'])}.\n")
    lines.append(f"Answers {'; '.join(_answers(operation['responses']))}.\n")
    return "\n".join(lines)


def _answers(responses: Shape) -> Iterator[str]:
    errors = []
    for status, response in sorted(responses.items()):
        kinds = {kind: content.get("schema", {}) for kind, content in response.get("content", {}).items()}
        if "application/problem+json" in kinds and "application/json" not in kinds:
            errors.append(status)
        elif kinds:
            named = " or ".join(
                _kind(shape) if kind == "application/json" else f"`{kind}`" for kind, shape in kinds.items()
            )
            yield f"{status} {named}"
        else:
            yield status
    yield f"a `Problem` with {', '.join(errors)}"


def _kind(schema: Shape) -> str:
    """A type, in words."""
    match schema:
        case {"$ref": str(ref)}:
            name = ref.rpartition("/")[2]
            return f"[`{name}`](#{name.lower()})"
        case {"anyOf": list(options)}:
            return " or ".join(_kind(option) for option in options)
        case {"enum": list(values)}:
            return ", ".join(f"`{value}`" for value in values)
        case {"const": value}:
            return f"`{value}`"
        case {"type": "array"}:
            return f"a list of {_kind(schema['items'])}"
        case {"type": "object", "additionalProperties": dict(inner)}:
            return f"an object whose values are {_kind(inner)}"
        case {"format": "date-time"}:
            return "a time (ISO 8601)"
        case {"type": str(kind)}:
            return {"object": "an object", "null": "null"}.get(kind, kind)
        case _:
            return "any JSON value"


def _shape(name: str, shape: Shape) -> str:
    description = shape.get("description", "").replace("\n", " ")
    heading = f"### {name}\n\n{description}\n"
    if "properties" not in shape:
        return f"{heading}\nOne of {_kind(shape)}.\n" if "enum" in shape else heading
    required = set(shape.get("required", ()))
    rows = [
        f"| `{field}`{'' if field in required else ' (optional)'} | {_kind(kind)} | {kind.get('description', '')} |"
        for field, kind in shape["properties"].items()
    ]
    return "\n".join([heading, "| | | |", "|---|---|---|", *rows, ""])


def main() -> None:
    """Write the page's list anew."""
    own, _, _ = PAGE.read_text(encoding="utf-8").partition(MARK)
    PAGE.write_text(f"{own}{MARK}\n{rendered()}", encoding="utf-8")


if __name__ == "__main__":
    main()
