"""A small stand-in for the service of W&B, on loopback: takes what W&B's client sends, and remembers it."""

from __future__ import annotations

import gzip
import json
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PROJECT = {"id": "project", "name": "lost-and-found", "entity": {"id": "entity", "name": "team"}}
FORBIDDEN = 403  # which the client doesn't retry, as it does 5xx for hours


class WandbServer(ThreadingHTTPServer):
    """Runs with their histories, and the files of artifacts.

    Attributes:
        runs: rows of the history, by run id.
        artifacts: type and name of each artifact that was completed.
        configs: of each run, each value as {"value": ...}.
        summaries: of each run.
        used: run and artifact, for each artifact that a run says it uses.
        files: bytes of the files of artifacts, by name of the artifact and of the file.
        refuses: whether it takes no files.
        speaks_nonsense: whether it leaves out what it was asked for.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.runs: dict[str, list[dict[str, Any]]] = {}
        self.artifacts: set[tuple[str, str]] = set()
        self.files: dict[tuple[str, str], bytes] = {}
        self.configs: dict[str, Any] = {}
        self.summaries: dict[str, Any] = {}
        self.used: list[tuple[str, str]] = []
        self.refuses = self.speaks_nonsense = False
        self.pending: dict[str, tuple[str, str]] = {}

    @property
    def url(self) -> str:
        """For WANDB_BASE_URL."""
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignored: clients may disconnect at any time."""

    def bucket(self, name: str) -> dict[str, Any]:
        """A run, as W&B calls it."""
        described = {"id": name, "name": name, "displayName": name, "description": "", "config": "{}"}
        rows = self.runs[name]
        history = {"historyLineCount": len(rows), "historyTail": json.dumps(list(map(json.dumps, rows[-1:])))}
        no_more = {"logLineCount": 0, "eventsLineCount": 0, "eventsTail": "[]"}
        no_more["summaryMetrics"] = json.dumps(self.summaries.get(name, {}))
        others = {"tags": [], "notes": "", "sweepName": None, "wandbConfig": '{"t": 1}'}
        return {**described, "project": PROJECT, **history, **no_more, **others}

    def listed(self, name: str) -> dict[str, Any]:
        """A finished run, as W&B lists it."""
        dates = dict.fromkeys(("createdAt", "heartbeatAt"), "2024-01-01T00:00:00")
        nothing = dict.fromkeys(("group", "jobType", "commit", "systemMetrics", "historyKeys"))
        return {
            **self.bucket(name),
            **dates,
            **nothing,
            "state": "finished",
            "readOnly": False,
            "projectId": 1,
            "config": json.dumps(self.configs.get(name, {})),
            "summaryMetrics": json.dumps(self.summaries.get(name, {})),
            "user": {"name": "somebody", "username": "somebody"},
        }

    def answer(self, operation: str, given: dict[str, Any]) -> dict[str, Any]:
        """What GraphQL gives back; null for operations that don't matter here."""
        given = given | given.get("input", {})
        match operation:
            case "Viewer" | "GetDefaultEntity":
                return {"viewer": {"id": "1", "entity": "team", "flags": "{}", "teams": {"edges": []}}}
            case "ServerFeaturesQuery":
                return {"serverInfo": {"features": []}}
            case "RunResumeStatus":
                known = self.bucket(given["name"]) if given["name"] in self.runs else None
                return {"model": {**PROJECT, "bucket": known}}
            case "UpsertBucket":
                is_new = given["name"] not in self.runs
                self.runs.setdefault(given["name"], [])
                self.configs[given["name"]] = json.loads(given.get("config") or "{}")
                return {"upsertBucket": {"bucket": self.bucket(given["name"]), "inserted": is_new}}
            case "ArtifactType" | "Runs" if self.speaks_nonsense:
                return {}
            case "ArtifactType":
                return {"project": {"artifact": None}}
            case "ArtifactMembershipByName":
                known = [one for one in self.artifacts if one[1] == given["name"].removesuffix(":latest")]
                return {"project": {"artifactCollectionMembership": membership(*known[0]) if known else None}}
            case "UseArtifact":
                self.used.append((given["runName"], given["artifactID"]))
                return {"useArtifact": {"artifact": {"id": given["artifactID"]}}}
            case "Runs":
                edges = [{"node": self.listed(name), "cursor": name} for name in self.runs]
                pages = {"endCursor": None, "hasNextPage": False}
                counts = {"internalId": "1", "runCount": len(edges), "readOnly": False}
                return {"project": {**counts, "runs": {"edges": edges, "pageInfo": pages}}}
            case "RunFullHistory":
                return {"project": {"run": {"history": list(map(json.dumps, self.runs[given["name"]]))}}}
            case "CreateArtifact":
                name = given["artifactCollectionName"]
                self.pending[name] = (given["artifactTypeName"], name)
                sequence = {"id": name, "latestArtifact": None}
                return {
                    "createArtifact": {
                        "artifact": {"id": name, "state": "PENDING", "artifactSequence": sequence}
                    }
                }
            case "CreateArtifactManifest":
                return {"createArtifactManifest": {"artifactManifest": self.manifest(given["artifactID"])}}
            case "CreateArtifactFiles":
                nodes = [{"node": self.upload(one)} for one in given["artifactFiles"]]
                return {"createArtifactFiles": {"files": {"edges": nodes}}}
            case "CommitArtifact":
                self.artifacts.add(self.pending[given["artifactID"]])
                return {"commitArtifact": {"artifact": {"id": given["artifactID"], "digest": ""}}}
            case "CreateRunFiles":
                files = [{"name": name, "uploadUrl": f"{self.url}/run/{name}"} for name in given["files"]]
                return {"createRunFiles": {"runID": "1", "uploadHeaders": [], "files": files}}
        return {}

    def manifest(self, artifact: str) -> dict[str, Any]:
        """Where to put the list of an artifact's files."""
        address = f"{self.url}/manifest/{artifact}"
        return {"id": artifact, "file": {"id": "1", "uploadUrl": address, "uploadHeaders": []}}

    def upload(self, file: dict[str, Any]) -> dict[str, Any]:
        """Where to put a file of an artifact."""
        artifact, name = file["artifactID"], file["name"]
        address = f"{self.url}/artifact/{artifact}/{name}"
        return {
            "storagePath": f"{artifact}/{name}",
            "uploadUrl": address,
            "uploadHeaders": [],
            "uploadMultipartUrls": None,
            "artifact": {"id": artifact},
        }


def membership(kind: str, name: str) -> dict[str, Any]:
    """An artifact as the latest of its name."""
    collection = {"__typename": "ArtifactSequence", "id": name, "name": name}
    collection["project"] = {"__typename": "Project", "internalId": "1", **PROJECT}
    dates = dict.fromkeys(("createdAt", "updatedAt"), "2024-01-01T00:00:00")
    artifact = {
        **dates,
        **dict.fromkeys(("description", "metadata", "historyStep", "commitHash")),
        "__typename": "Artifact",
        "id": name,
        "artifactSequence": collection,
        "versionIndex": 0,
        "artifactType": {"name": kind},
        "ttlDurationSeconds": -2,
        "ttlIsInherited": True,
        "tags": [],
        "state": "COMMITTED",
        "size": 1,
        "digest": "",
        "fileCount": 1,
    }
    alias = {"id": "latest", "alias": "latest"}
    own = {"id": name, "versionIndex": 0, "aliases": [alias], "artifactCollection": collection}
    return {"__typename": "ArtifactCollectionMembership", **dates, **own, "artifact": artifact}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: WandbServer

    def do_PUT(self) -> None:
        content = self._body()
        if self.server.refuses:
            self._send({}, status=FORBIDDEN)
            return
        if match := re.fullmatch(r"/artifact/([^/]+)/([^/]+)", self.path):
            self.server.files[match[1], match[2]] = content
        self._send({})

    def do_POST(self) -> None:
        content = self._body()
        if match := re.search(r"/([^/]+)/file_stream$", self.path):
            files = json.loads(content).get("files", {})
            for row in files.get("wandb-summary.json", {}).get("content", []):
                self.server.summaries[match[1]] = json.loads(row)
            if rows := files.get("wandb-history.jsonl"):
                history = self.server.runs[match[1]]
                history[rows["offset"] :] = map(json.loads, rows["content"])
            self._send({})
        elif self.path == "/graphql":
            query = json.loads(content)
            operation = re.search(r"(?:query|mutation)\s+(\w+)", query["query"])
            assert operation
            self._send({"data": self.server.answer(operation[1], query.get("variables") or {})})
        else:
            self._send({})

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            content = b"".join(parts)
        else:
            content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        return gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content

    def _send(self, answer: dict[str, Any], *, status: int = 200) -> None:
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: Any) -> None:
        pass
