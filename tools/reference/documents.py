"""A page for each JSON document that `gaze` prints: what its keys mean, and its JSON Schema."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from gazecli.reports.documents.schemas import DOCUMENTS, json_schema
from tools.reference.markdown import cell, table


def pages() -> dict[str, str]:
    """The pages by file name: an index, and one a document."""
    schemas = {name: json_schema(name) for name in DOCUMENTS}
    rows = [(f"[`{schema['$id']}`]({name}.md)", _summary(schema)) for name, schema in schemas.items()]
    index = f"""# Documents

Every command prints one JSON document when stdout is no terminal, or with `--json`. Its first two keys are
`schema`, which names the document and its version, and `gaze`, the version of the program. `gaze schema NAME`
prints the JSON Schema.

{table(("document", ""), rows)}
A later version may add keys. A key is not removed, and does not change its meaning, without a new number
behind the slash.
"""
    return {"index.md": index, **{f"{name}.md": _page(schema) for name, schema in schemas.items()}}


def _page(schema: dict[str, Any]) -> str:
    text = f"# {schema['$id']}\n\n{schema.get('description', '')}\n\n{_keys(schema)}"
    for name, part in _parts(schema):
        text += f"\n## {name}\n\n{part.get('description', '')}\n\n{_keys(part)}"
    printed = json.dumps(schema, indent=1, ensure_ascii=False)
    indented = "".join(f"    {line}\n" for line in printed.splitlines())
    return f'{text}\n## JSON Schema\n\n??? note "Draft 2020-12"\n\n    ```json\n{indented}    ```\n'


def _parts(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The blocks that a document is made of, without those that are plain values."""
    for name, part in schema.get("$defs", {}).items():
        if part.get("properties"):
            yield name, part


def _keys(schema: dict[str, Any]) -> str:
    rows = [
        (f"`{key}`", _kind(value), cell(value.get("description", ""))) for key, value in _properties(schema)
    ]
    return table(("key", "value", ""), rows) if rows else ""


def _properties(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    yield from schema.get("properties", {}).items()


def _kind(value: dict[str, Any]) -> str:
    """The kind of a value in a few words, with a link to the block it is made of."""
    match value:
        case {"$ref": str(place)}:
            name = place.rpartition("/")[2]
            return "any" if name == "JsonValue" else f"[{name}](#{name.lower()})"
        case {"anyOf": list(choices)} | {"oneOf": list(choices)}:
            return " or ".join(dict.fromkeys(_kind(choice) for choice in choices))
        case {"const": constant}:
            return f"`{json.dumps(constant)}`"
        case {"enum": list(choices)}:
            return ", ".join(f"`{json.dumps(choice)}`" for choice in choices)
        case {"type": "array", "prefixItems": list(items)}:
            return f"[{', '.join(_kind(item) for item in items)}]".replace("[number", "\\[number", 1)
        case {"type": "array", "items": dict(item)}:
            return f"list of {_kind(item)}"
        case {"type": "array"}:
            return "list"
        case {"type": "object", "additionalProperties": dict(item)}:
            return f"object of {_kind(item)}"
        case {"type": str(name)}:
            return {"null": "null", "string": "text", "boolean": "true or false"}.get(name, name)
    return "any"


def _summary(schema: dict[str, Any]) -> str:
    return cell(str(schema.get("description", "")).split("\n\n")[0])
