"""The documentation as one page: written from the OpenAPI document, nothing fetched from afar."""

import json
from collections.abc import Iterator
from html import escape
from typing import Any

from fastapi import FastAPI, Response

_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}
h2{margin-top:2.5rem;border-top:1px solid #ccc;padding-top:1rem}
code,pre{font:14px/1.4 ui-monospace,monospace;background:#f4f4f4}
pre{padding:.6rem;overflow:auto}
td{text-align:left;vertical-align:top;padding:.15rem .8rem .15rem 0}
"""

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def add_docs(app: FastAPI, path: str) -> None:
    """Serve the page at `path`."""

    async def docs() -> Response:
        headers = {"Content-Security-Policy": _POLICY}
        return Response(page(app.openapi(), app.openapi_url or ""), 200, headers, "text/html")

    app.add_api_route(path, docs, include_in_schema=False, name="docs")


def page(document: dict[str, Any], address: str) -> str:
    """Return the page for an OpenAPI document that is served at `address`."""
    info = document["info"]
    title = escape(f"{info['title']} {info['version']}")
    parts = [
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>',
        f"<style>{_STYLE}</style><h1>{title}</h1><p>{escape(info['description'])}</p>",
        f'<p>For programs: <a href="{escape(address)}">openapi.json</a></p>',
    ]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            parts += _operation(document, path, method, operation)
    parts += ["<h1>Schemas</h1>"]
    for name, schema in document["components"]["schemas"].items():
        parts += _schema(name, schema)
    return "\n".join(parts) + "</html>\n"


def _operation(
    document: dict[str, Any], path: str, method: str, operation: dict[str, Any]
) -> Iterator[str]:
    yield f"<h2>{escape(operation['summary'])}</h2>"
    yield f"<p><code>{method.upper()} {escape(path)}</code></p>"
    yield f"<p>{escape(operation['description'])}</p>"
    yield _table(
        [
            (f"<code>{escape(parameter['name'])}</code>", escape(parameter.get("description", "")))
            for parameter in operation["parameters"]
        ]
    )
    body = operation.get("requestBody")
    if body is not None:
        schema = body["content"]["application/json"]["schema"]
        yield f"<h3>Body: {_type(schema)}</h3>"
        example = document["components"]["schemas"][_name(schema)]["example"]
        yield f"<pre>{escape(json.dumps(example, indent=2))}</pre>"
    yield "<h3>Answers</h3>"
    yield _table(
        [
            (status, f"{escape(answer['description'])}: {_type(_content(answer))}")
            for status, answer in operation["responses"].items()
        ]
    )


def _content(answer: dict[str, Any]) -> dict[str, Any]:
    schema: dict[str, Any] = answer["content"]["application/json"]["schema"]
    return schema


def _schema(name: str, schema: dict[str, Any]) -> Iterator[str]:
    yield f'<h3 id="{escape(name)}">{escape(name)}</h3>'
    yield f"<p>{escape(schema.get('description', ''))}</p>"
    wanted = schema.get("required", [])
    yield _table(
        [
            (
                f"<code>{escape(member)}</code>{'' if member in wanted else '?'}",
                _type(inner),
                escape(inner.get("description", "")),
            )
            for member, inner in schema.get("properties", {}).items()
        ]
    )


def _table(rows: list[tuple[str, ...]]) -> str:
    lines = ("".join(f"<td>{cell}</td>" for cell in row) for row in rows)
    return f"<table>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"


def _type(schema: dict[str, Any]) -> str:
    """A schema in a few words, with links to those that have a name."""
    if "$ref" in schema:
        name = escape(_name(schema))
        return f'<a href="#{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(_type(inner) for inner in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        words = schema.get("enum", [schema.get("const")])
        return ", ".join(f"<code>{escape(json.dumps(word))}</code>" for word in words)
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}"
    return escape(str(schema.get("type", "any")))


def _name(schema: dict[str, Any]) -> str:
    return str(schema.get("$ref", "")).rpartition("/")[2]
