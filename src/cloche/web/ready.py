"""What a server says when it answers. Standard library only: the supervisor says it too."""

from __future__ import annotations

import json
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ready:
    """What a server says when it answers: its address, its models, its store."""

    url: str
    models: tuple[str, ...]
    store: str
    keys_required: bool
    login: str | None = None  #: signs a browser in to the management port, once

    def text(self) -> str:
        """For a terminal: where to look, and where to send."""
        lines = [f"store    {self.store}", f"serving  {', '.join(self.models) or 'no model yet'}"]
        lines += [f"docs     {self.url}/docs"]
        lines += [f"predict  {self.url}{path}" for path in self._paths()]
        lines += [f"keys     {'needed' if self.keys_required else 'none are asked for'}"]
        return "\n".join([*lines, *([f"manage   {self.login}"] if self.login else [])])

    def json(self) -> str:
        """The same as one JSON document, for scripts (`--json`)."""
        document = {
            "store": self.store,
            "serving": self.models,
            "url": self.url,
            "docs": f"{self.url}/docs",
            "predict": [f"{self.url}{path}" for path in self._paths()],
            "keys_required": self.keys_required,
            "manage": self.login,
        }
        return json.dumps(document, indent=2)

    def _paths(self) -> list[str]:
        if len(self.models) == 1:
            return ["/predict"]
        return [f"/models/{label.partition('@')[0]}/predict" for label in self.models]
