"""A small Hugging Face Hub on the loopback address, with failures on request.

It answers the requests that huggingface_hub makes to create, list, commit and download, as the
Hub does: small files travel in the commit itself, weights by Git LFS; a weight file is served by
another host, to which the token must not go. Xet, the Hub's third way, is not spoken: clients must
have it disabled where ``lfs`` is set.
"""

import base64
import hashlib
import json
import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

TOKEN = "hf_loopback"
LICENSES = {"apache-2.0", "cc0-1.0", "mit", "other"}
REPO = r"(?P<repo>[^/]+/[^/]+)"


@dataclass
class Repository:
    """Files by path at each commit, and the commits that branches and tags name."""

    private: bool = False
    gated: bool = False
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)

    def commit(self, files, branch="main", message=""):
        """Add a commit on top of a branch, and return its hash."""
        tree = {**self.commits.get(self.refs.get(branch), {}), **files}
        content = [f"{path} {hashlib.sha1(data).hexdigest()}" for path, data in tree.items()]
        name = hashlib.sha1(f"{len(self.commits)} {content}".encode()).hexdigest()
        self.commits[name] = tree
        self.refs[branch] = name
        self.messages.append(message)
        return name

    def resolve(self, revision):
        return revision if revision in self.commits else self.refs.get(revision)


@dataclass
class Failure:
    """An answer in place of the right one, for the next ``times`` matching requests."""

    method: str
    path: str
    times: int
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    cut_after: int | None = None

    def matches(self, method, path):
        return self.times > 0 and method == self.method and re.search(self.path, path) is not None


@dataclass
class Hub:
    """The server's state, for tests to prepare and to look at.

    Attributes:
        lfs: Whether weights go by LFS; otherwise they travel in the commit.
        writable: Organizations that the token may write to.
        requests: (method, path, whether it bore the token) of every request, in order.
    """

    url: str = ""
    cdn: str = ""
    lfs: bool = True
    writable: set[str] = field(default_factory=lambda: {"org"})
    repositories: dict[str, Repository] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    requests: list[tuple[str, str, bool]] = field(default_factory=list)

    def add(self, name, files, **settings):
        """Make a repository with one commit, and return it."""
        repository = self.repositories[name] = Repository(**settings)
        repository.commit(files)
        return repository

    def fail(self, method, path, status, times=10**6, **headers):
        """Answer with an error; ``headers`` with underscores for hyphens."""
        headers = {key.replace("_", "-"): value for key, value in headers.items()}
        self.failures.append(Failure(method, path, times, status, headers))

    def cut(self, path, after, times=10**6):
        """Close the connection in the middle of a download."""
        self.failures.append(Failure("GET", path, times, cut_after=after))

    def count(self, method, path):
        return sum(m == method and re.search(path, p) is not None for m, p, _ in self.requests)


@contextmanager
def running_hub():
    """Run a hub on two free ports of the loopback address: its own, and its storage's."""
    hub = Hub()
    servers = []
    for attribute in ("url", "cdn"):
        handler = type("Handler", (_Handler,), {"hub": hub, "storage": attribute == "cdn"})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        setattr(hub, attribute, f"http://127.0.0.1:{server.server_address[1]}")
        servers.append(server)
    try:
        yield hub
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    storage: bool
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def handle_any(self):
        self.path = unquote(self.path.partition("?")[0])
        length = int(self.headers.get("Content-Length") or 0)
        self.body = self.rfile.read(length) if length else self._chunks()
        self.may = self.headers.get("Authorization") == f"Bearer {TOKEN}"
        has_token = "Authorization" in self.headers
        self.hub.requests.append((self.command, self.path, has_token))
        self.cut_after = None
        for failure in self.hub.failures:
            if failure.matches(self.command, self.path):
                failure.times -= 1
                if failure.cut_after is None:
                    return self.answer(failure.status, b"broken on purpose", failure.headers)
                self.cut_after = failure.cut_after
                break
        if has_token and not self.may and not self.storage:
            return self.refuse(401, message="Invalid credentials in Authorization header")
        for method, pattern, action in STORAGE_ROUTES if self.storage else ROUTES:
            match = re.fullmatch(pattern, self.path)
            if match and method == self.command.replace("HEAD", "GET"):
                return action(self, **match.groupdict())
        return self.answer(404, b"no such page")

    do_GET = do_HEAD = do_POST = do_PUT = handle_any

    def _chunks(self):
        """The body of a request that was sent in chunks."""
        if self.headers.get("Transfer-Encoding") != "chunked":
            return b""
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def answer(self, status, body=b"", headers=None):
        if isinstance(body, dict | list):
            body = json.dumps(body).encode()
        self.send_response(status)
        headers = {"Content-Length": str(len(body)), **(headers or {})}
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if self.cut_after is not None:
            body = body[: self.cut_after]
            self.close_connection = True
        self.wfile.write(body)

    def refuse(self, status, code=None, message="Invalid username or password."):
        headers = {"X-Error-Message": message}
        if code:
            headers["X-Error-Code"] = code
        self.answer(status, {"error": message}, headers)

    def repository(self, name):
        """The repository, if this request may see it; otherwise the refusal is sent."""
        repository = self.hub.repositories.get(name)
        if repository is None or (repository.private and not self.may):
            # As the Hub does: who is not logged in does not learn what exists.
            if self.may:
                self.refuse(404, "RepoNotFound", "Repository not found")
            else:
                self.refuse(401)
        elif repository.gated and not self.may:
            self.refuse(401, "GatedRepo", f"Access to model {name} is restricted.")
        else:
            return repository
        return None

    # --- reading ----------------------------------------------------------------------------------

    def info(self, repo, revision="main"):
        repository = self.repository(repo)
        if repository is None:
            return
        commit = repository.resolve(revision)
        if commit is None:
            return self.refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        files = [{"rfilename": path} for path in repository.commits[commit]]
        self.answer(200, {"id": repo, "sha": commit, "siblings": files, "tags": []})

    def resolve(self, repo, revision, file):
        repository = self.repository(repo)
        if repository is None:
            return
        commit = repository.resolve(revision)
        if commit is None:
            return self.refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        headers = {"X-Repo-Commit": commit}
        data = repository.commits[commit].get(file)
        if data is None:
            headers |= {"X-Error-Code": "EntryNotFound", "X-Error-Message": "Entry not found"}
            return self.answer(404, b"Entry not found", headers)
        if not file.endswith(".safetensors"):
            return self.answer(200, data, {**headers, "ETag": f'"{_git_hash(data)}"'})
        oid = hashlib.sha256(data).hexdigest()
        self.hub.objects[oid] = data
        headers |= {"X-Linked-Etag": f'"{oid}"', "X-Linked-Size": str(len(data))}
        self.answer(302, b"", {**headers, "Location": f"{self.hub.cdn}/{oid}"})

    def object(self, oid):
        data = self.hub.objects[oid]
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if wanted is None:
            return self.answer(200, data, {"ETag": f'"{oid}"', "Accept-Ranges": "bytes"})
        start = int(wanted[1])
        part = f"bytes {start}-{len(data) - 1}/{len(data)}"
        self.answer(206, data[start:], {"ETag": f'"{oid}"', "Content-Range": part})

    # --- writing ----------------------------------------------------------------------------------

    def may_write(self, organization):
        if not self.may:
            self.refuse(401)
        elif organization not in self.hub.writable:
            self.refuse(403, message=f"You don't have the rights to write to {organization}")
        else:
            return True
        return False

    def create(self):
        wanted = json.loads(self.body)
        if not self.may_write(wanted["organization"]):
            return
        name = f"{wanted['organization']}/{wanted['name']}"
        known = name in self.hub.repositories
        if not known:
            private = wanted.get("visibility") == "private" or bool(wanted.get("private"))
            self.hub.add(name, {".gitattributes": b"*.safetensors filter=lfs\n"}, private=private)
        self.answer(409 if known else 200, {"url": f"{self.hub.url}/{name}", "name": name})

    def branch(self, repo, branch):
        if not self.may_write(repo.partition("/")[0]):
            return
        refs = self.hub.repositories[repo].refs
        if branch in refs:
            return self.answer(409, {"error": "Reference already exists"})
        refs[branch] = refs["main"]
        self.answer(201, {})

    def validate_card(self):
        """Some of the rules that the Hub has for the metadata of a model card."""
        lines = json.loads(self.body)["content"].split("\n---\n")[0]
        license = re.search(r"^license: (.*)$", lines, re.MULTILINE)
        datasets = re.search(r"^datasets:\n((?:- .*\n)+)", lines, re.MULTILINE)
        errors = []
        if license and license[1] not in LICENSES:
            errors.append({"message": f'"license" must be one of {sorted(LICENSES)}'})
        for line in datasets[1].splitlines() if datasets else ():
            if not re.fullmatch(r"- [\w.-]+(/[\w.-]+)?", line):
                errors.append({"message": f'"datasets" has {line}, which is no dataset id'})
        self.answer(400 if errors else 200, {"errors": errors, "warnings": []})

    def preupload(self, repo, revision):
        if not self.may_write(repo.partition("/")[0]):
            return
        repository = self.repository(repo)
        tree = repository.commits[repository.resolve(revision)]
        files = []
        for file in json.loads(self.body)["files"]:
            lfs = self.hub.lfs and file["path"].endswith(".safetensors")
            known = tree.get(file["path"])
            oid = known and (hashlib.sha256(known).hexdigest() if lfs else _git_hash(known))
            mode = {"uploadMode": "lfs" if lfs else "regular", "shouldIgnore": False, "oid": oid}
            files.append({"path": file["path"], **mode})
        self.answer(200, {"files": files})

    def lfs_batch(self, repo):
        if not self.may_write(repo.partition("/")[0]):
            return
        objects = []
        for wanted in json.loads(self.body)["objects"]:
            steps = {
                "upload": {"href": f"{self.hub.cdn}/{wanted['oid']}"},
                "verify": {"href": f"{self.hub.url}/{repo}.git/info/lfs/objects/verify"},
            }
            here = {} if wanted["oid"] in self.hub.objects else {"actions": steps}
            objects.append({"oid": wanted["oid"], "size": wanted["size"], **here})
        self.answer(200, {"transfer": "basic", "objects": objects})

    def lfs_verify(self, repo):
        wanted = json.loads(self.body)
        right = len(self.hub.objects.get(wanted["oid"], b"")) == wanted["size"]
        self.answer(200 if right else 404, {})

    def store(self, oid):
        if hashlib.sha256(self.body).hexdigest() != oid:
            return self.answer(400, b"the content is not that of the hash")
        self.hub.objects[oid] = self.body
        self.answer(200, b"", {"ETag": f'"{oid}"'})

    def commit(self, repo, revision):
        if not self.may_write(repo.partition("/")[0]):
            return
        files, message = {}, ""
        for line in self.body.splitlines():
            item = json.loads(line)
            value = item["value"]
            if item["key"] == "header":
                message = value["summary"]
            elif item["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif item["key"] == "lfsFile":
                files[value["path"]] = self.hub.objects[value["oid"]]
        name = self.hub.repositories[repo].commit(files, revision, message)
        url = f"{self.hub.url}/{repo}/commit/{name}"
        self.answer(200, {"success": True, "commitOid": name, "commitUrl": url, "hookOutput": ""})


def _git_hash(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


ROUTES = [
    ("POST", "/api/repos/create", _Handler.create),
    ("POST", "/api/validate-yaml", _Handler.validate_card),
    ("GET", f"/api/models/{REPO}", _Handler.info),
    ("GET", f"/api/models/{REPO}/revision/(?P<revision>.+)", _Handler.info),
    ("POST", f"/api/models/{REPO}/branch/(?P<branch>.+)", _Handler.branch),
    ("POST", f"/api/models/{REPO}/preupload/(?P<revision>.+)", _Handler.preupload),
    ("POST", f"/api/models/{REPO}/commit/(?P<revision>.+)", _Handler.commit),
    ("POST", rf"/{REPO}\.git/info/lfs/objects/batch", _Handler.lfs_batch),
    ("POST", rf"/{REPO}\.git/info/lfs/objects/verify", _Handler.lfs_verify),
    ("GET", f"/{REPO}/resolve/(?P<revision>[^/]+)/(?P<file>.+)", _Handler.resolve),
]
STORAGE_ROUTES = [
    ("GET", "/(?P<oid>[0-9a-f]{64})", _Handler.object),
    ("PUT", "/(?P<oid>[0-9a-f]{64})", _Handler.store),
]
