"""A Label Studio in memory, for what happens at the edge of HTTP: it answers as version 1.23.2 does."""

import json
from collections.abc import Callable
from typing import Any

import httpx

URL = "http://studio:8080"
ANN, BOB = {"id": 1, "email": "ann@example.com"}, {"id": 7, "email": "bob@example.com"}
PERSONAL = "eyJpersonal.token.xyz"

Answer = httpx.Response | Exception


class FakeStudio:
    """Projects with tasks, users and annotations; `trouble` may answer a request in its place, before or after it."""

    def __init__(self, label_config: str = "<View></View>") -> None:
        self.label_config, self.shows = label_config, True
        self.settings: dict[str, Any] = {}
        self.tasks: list[dict[str, Any]] = []
        self.requests: list[tuple[str, str, str | None]] = []
        self.personal, self.access = True, 0
        self.before: Callable[[httpx.Request], Answer | None] = lambda _: None
        self.after: Callable[[httpx.Request], Answer | None] = lambda _: None

    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self.handle)

    def handle(self, request: httpx.Request) -> httpx.Response:
        self.requests.append((request.method, request.url.path, request.headers.get("authorization")))
        for trouble, answer in ((self.before, None), (self.after, self._answer)):
            response = None if answer is None else answer(request)
            found = trouble(request)
            if isinstance(found, Exception):
                raise found
            if found is not None:
                return found
        assert response is not None
        return response

    def annotate(
        self, task: int, choices: list[str], user: object = 1, at: str = "2026-11-29T06:39:05Z", **more: Any
    ) -> None:
        """Add an annotation as the export has it."""
        found = next(one for one in self.tasks if one["id"] == task)
        result = [{"from_name": "label", "to_name": "text", "type": "choices", "value": {"choices": choices}}]
        unique = f"{task}-{len(found['annotations'])}"
        made = {"id": len(found["annotations"]) + 100 * task, "completed_by": user, "was_cancelled": False}
        made |= {"result": result if choices else [], "lead_time": 4.2, "updated_at": at, "unique_id": unique}
        found["annotations"].append(made | {"prediction": {}} | more)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        path, method = request.url.path, request.method
        if path == "/api/version":
            return httpx.Response(200, json={"release": "1.23.2", "label-studio-os-package": {"version": "1.23.2"}})
        if path == "/api/token/refresh/":
            if not self.personal or json.loads(request.content)["refresh"] != PERSONAL:
                return httpx.Response(401, json={"detail": "Token is invalid"})
            self.access += 1
            return httpx.Response(200, json={"access": f"access-{self.access}"})
        if request.headers.get("authorization") not in (f"Bearer access-{self.access}", "Token legacy"):
            return httpx.Response(401, json={"detail": "Invalid token."})
        if path == "/api/users/":
            return httpx.Response(200, json=[ANN, BOB])
        if not path.startswith("/api/projects/3/"):
            return httpx.Response(404, json={"detail": "No Project matches the given query."})
        if method == "PATCH":
            self.settings |= json.loads(request.content)
            self.label_config = self.settings.get("label_config", self.label_config)
        if path.endswith("/import"):
            return self._import(json.loads(request.content))
        if path.endswith("/export"):
            return httpx.Response(200, json=self.tasks)
        return httpx.Response(200, json={"label_config": self.label_config, "show_collab_predictions": self.shows})

    def _import(self, new: list[dict[str, Any]]) -> httpx.Response:
        for one in new:
            self.tasks.append({"id": len(self.tasks) + 1, "project": 3, "annotations": [], **one})
        return httpx.Response(201, json={"task_count": len(new)})
