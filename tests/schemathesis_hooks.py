"""Loaded by schemathesis (`SCHEMATHESIS_HOOKS`), which writes no CSV with a header and no NDJSON: it is shown JSON."""

from __future__ import annotations

from typing import Any

import schemathesis


@schemathesis.hook
def before_load_schema(_context: Any, raw_schema: dict[str, Any]) -> None:
    for path in raw_schema["paths"].values():
        content = path.get("post", {}).get("requestBody", {}).get("content", {})
        for media_type in [name for name in content if name != "application/json"]:
            del content[media_type]
