"""A stand-in for the Hugging Face Hub on this machine: repositories that are made, written and read through the real client."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlparse

TOKEN = "hf_stand_in_writer"
COMMIT = "c" * 40


class Hub:
    """What the server holds: by repository its files, by hash what was uploaded beside the commits.

    Attributes:
        url: of the server.
        repositories: name to `{"private": bool, "files": {path: content}}`.
        asked: `METHOD path` of every request.
    """

    def __init__(self):
        self.repositories: dict[str, dict] = {}
        self.large: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": self}))
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def _answer(self, status: int, content=b"", headers: dict | None = None) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        sent = {"Content-Type": "application/json", "Content-Length": str(len(body))} | (headers or {})
        for name, value in sent.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _route(self) -> None:
        path, hub = unquote(urlparse(self.path).path), self.hub
        hub.asked.append(f"{self.command} {path}")
        may = self.headers.get("Authorization") == f"Bearer {TOKEN}"
        if self.command == "PUT" and (match := re.fullmatch(r"/upload/(\w+)", path)):
            hub.large[match[1]] = self._body()
            return self._answer(200)
        if path == "/api/repos/create":
            asked = json.loads(self._body())
            if not may:
                return self._answer(401, {"error": "Invalid username or password."})
            name = f"{asked['organization']}/{asked['name']}" if asked.get("organization") else asked["name"]
            known = name in hub.repositories
            private = asked.get("private") or asked.get("visibility") == "private"  # earlier and later clients
            hub.repositories.setdefault(name, {"private": private, "files": {}})
            return self._answer(409 if known else 200, {"url": f"{hub.url}/{name}", "name": name, "id": name})
        if path == "/api/validate-yaml":
            self._body()
            return self._answer(200, {"errors": [], "warnings": []})
        match = re.match(r"/(?:api/models/)?([^/]+/[^/]+?)(?:\.git)?(/.*)?$", path)
        repository = hub.repositories.get(match[1]) if match else None
        if repository is None or (repository["private"] and not may):
            body = self._body()
            return self._answer(
                404 if may or not body else 401, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"}
            )
        self._of_repository(match[1], repository, match[2] or "", may)

    def _of_repository(self, name: str, repository: dict, rest: str, may: bool) -> None:
        hub, files = self.hub, repository["files"]
        if rest.startswith("/preupload/"):
            asked = json.loads(self._body())["files"]
            large = {file["path"]: "lfs" if file["size"] > 50_000 else "regular" for file in asked}
            return self._answer(
                200, {"files": [{"path": p, "uploadMode": mode, "shouldIgnore": False} for p, mode in large.items()]}
            )
        if rest == "/info/lfs/objects/batch":
            objects = json.loads(self._body())["objects"]
            actions = [o | {"actions": {"upload": {"href": f"{hub.url}/upload/{o['oid']}", "header": {}}}} for o in objects]
            return self._answer(
                200, {"transfer": "basic", "objects": actions}, {"Content-Type": "application/vnd.git-lfs+json"}
            )
        if rest.startswith("/commit/"):
            for line in self._body().splitlines():
                entry = json.loads(line)
                value = entry["value"]
                if entry["key"] == "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                elif entry["key"] == "lfsFile":
                    files[value["path"]] = hub.large[value["oid"]]
            return self._answer(
                200, {"success": True, "commitOid": COMMIT, "commitUrl": f"{hub.url}/{name}/commit/{COMMIT}", "hookOutput": ""}
            )
        if rest in ("", "/revision/main", f"/revision/{COMMIT}"):
            siblings = [{"rfilename": path} for path in files]
            return self._answer(
                200,
                {
                    "id": name,
                    "modelId": name,
                    "sha": COMMIT,
                    "private": repository["private"],
                    "siblings": siblings,
                    "tags": [],
                },
            )
        if rest.startswith("/tree/"):
            return self._answer(
                200, [{"type": "file", "path": p, "size": len(held), "oid": _etag(held)} for p, held in files.items()]
            )
        if rest.startswith("/revision/"):
            return self._answer(404, {"error": "Invalid rev id"}, {"X-Error-Code": "RevisionNotFound"})
        if match := re.fullmatch(r"/resolve/[^/]+/(.*)", rest):
            if match[1] not in files:
                return self._answer(404, {"error": "Entry not found"}, {"X-Error-Code": "EntryNotFound"})
            held = files[match[1]]
            return self._answer(
                200, held, {"Content-Type": "application/octet-stream", "ETag": f'"{_etag(held)}"', "X-Repo-Commit": COMMIT}
            )
        self._answer(404, {"error": f"the stand-in knows no {rest}"})

    do_GET = do_POST = do_PUT = do_HEAD = _route


def _etag(held: bytes) -> str:
    return hashlib.sha256(held).hexdigest()
