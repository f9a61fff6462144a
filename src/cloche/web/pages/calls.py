"""
The same call as curl, Python, JavaScript and R, written on the server so that it can be read without JavaScript.

`static/calls.js` writes the body again whenever the form changes; both spell literals alike.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from cloche.markup import Html, tag

BASE, URL, BODY = "%BASE%", "%URL%", "%BODY%"
Row = Mapping[str, Any]


def section(base_url: str, path: str, model: str | None, row: Row, *, keys_required: bool) -> Html:
    """The section *Call it*: one example a language, with tabs and copy buttons once there is JavaScript."""
    examples = [
        _example(title, language, template, base_url, path, row)
        for title, language, template in _templates(model, keys_required)
    ]
    key_note = " The key is read from the environment variable CLOCHE_KEY." if keys_required else ""
    return tag(
        "section",
        tag("h2", "Call it"),
        tag("p", "The same call from a program, with the values of the form above.", key_note, class_="note"),
        tag("div", examples, class_="card calls"),
        id="call",
    )


def _example(title: str, language: str, template: str, base_url: str, path: str, row: Row) -> Html:
    text = template.replace(BASE, base_url).replace(URL, f"{base_url}/{path}").replace(BODY, LITERALS[language](row))
    code = tag("code", text, data_template=template, data_language=language)
    return tag("div", tag("h3", title), tag("pre", code, tabindex="0", aria_label=f"{title} example"), class_="call")


def _templates(model: str | None, key: bool) -> list[tuple[str, str, str]]:
    return [
        ("curl", "curl", _curl(key)),
        ("Python", "python", _client(model, key)),
        ("Python, no library", "python", _urllib(key)),
        ("JavaScript", "javascript", _javascript(key)),
        ("R", "r", _r(key)),
    ]


def _curl(key: bool) -> str:
    header = '  -H "Authorization: Bearer $CLOCHE_KEY" \\\n' if key else ""
    return f"curl -sS '{URL}' \\\n{header}  -H 'Content-Type: application/json' \\\n  -d '{BODY}'"


def _client(model: str | None, key: bool) -> str:
    arguments = [f'"{BASE}"']
    arguments += [f'model="{model}"'] if model else []
    arguments += ['key=os.environ["CLOCHE_KEY"]'] if key else []
    head = "import os\n\nimport cloche\n\n" if key else "import cloche\n\n"
    made = f"client = cloche.Client({', '.join(arguments)})"
    return f"{head}{made}\nanswer = client.predict({BODY})\nprint(answer.prediction)"


def _urllib(key: bool) -> str:
    head = "import json\nimport os\nimport urllib.request" if key else "import json\nimport urllib.request"
    bearer = ', "Authorization": f"Bearer {os.environ[\'CLOCHE_KEY\']}"' if key else ""
    return (
        f"{head}\n\nrow = {BODY}\nrequest = urllib.request.Request(\n"
        f'    "{URL}",\n    data=json.dumps(row).encode(),\n'
        f'    headers={{"Content-Type": "application/json"{bearer}}},\n)\n'
        "with urllib.request.urlopen(request) as response:\n    print(json.load(response))"
    )


def _javascript(key: bool) -> str:
    bearer = ', "Authorization": `Bearer ${process.env.CLOCHE_KEY}`' if key else ""
    return (
        f'const row = {BODY};\nconst response = await fetch("{URL}", {{\n  method: "POST",\n'
        f'  headers: {{"Content-Type": "application/json"{bearer}}},\n  body: JSON.stringify(row),\n}});\n'
        "console.log(await response.json());"
    )


def _r(key: bool) -> str:
    bearer = '  req_headers(Authorization = paste("Bearer", Sys.getenv("CLOCHE_KEY"))) |>\n' if key else ""
    return (
        f"library(httr2)\n\nrow <- {BODY}\n"
        'body <- jsonlite::toJSON(row, na = "null", auto_unbox = TRUE, digits = NA)\n'
        f'request("{URL}") |>\n{bearer}  req_body_raw(body, type = "application/json") |>\n'
        "  req_perform() |>\n  resp_body_json()"
    )


# -- literals: `static/calls.js` holds the same four ----------------------------------------------


def _json(value: Any) -> str:
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return json.dumps(value, ensure_ascii=False)


def _python(value: Any) -> str:
    return "None" if value is None else str(value) if isinstance(value, bool) else _json(value)


def _r_value(value: Any) -> str:
    if isinstance(value, list):
        return f"I(c({', '.join(_json(item) for item in value)}))"
    return "NA" if value is None else str(value).upper() if isinstance(value, bool) else _json(value)


def _r_name(name: str) -> str:
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def _braces(value: Callable[[Any], str]) -> Callable[[Row], str]:
    return lambda row: "{\n" + ",\n".join(f"  {_json(name)}: {value(item)}" for name, item in row.items()) + "\n}"


def _shell(row: Row) -> str:
    return _braces(_json)(row).replace("'", "'\\''")


def _r_list(row: Row) -> str:
    return "list(\n" + ",\n".join(f"  {_r_name(name)} = {_r_value(item)}" for name, item in row.items()) + "\n)"


LITERALS: Mapping[str, Callable[[Row], str]] = {
    "curl": _shell,
    "javascript": _braces(_json),
    "python": _braces(_python),
    "r": _r_list,
}
