"""The Hub, spoken to by its real client over HTTP: a server on the loopback address stands for it.

The client reads its environment when it is imported, so a test in this process sets the client's
constants; those of the command line set the environment of a process of their own.
"""

import dataclasses
import hashlib
import json
import os
import re
import resource
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from command import run
from hub_networks import outputs
from hub_server import TOKEN, running_hub
from safetensors.torch import save

import skinseg
from skinseg.hub import read_local_dir, remote
from skinseg.hub.header import limited
from skinseg.pretrained import BUNDLED, PretrainedCfg, file_hash

EGEUNET = (BUNDLED / "egeunet.isic2017.safetensors").read_bytes()
CONFIG = (BUNDLED / "egeunet.isic2017.json").read_bytes()
GOOD = {"config.json": CONFIG, "model.safetensors": EGEUNET}


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A running hub that the client in this process talks to, with an empty cache and no token."""
    with running_hub() as hub:
        settings = {
            "ENDPOINT": hub.url,
            "HUGGINGFACE_CO_URL_TEMPLATE": hub.url + "/{repo_id}/resolve/{revision}/{filename}",
            "HF_HUB_CACHE": str(tmp_path / "cache"),
            "HF_TOKEN_PATH": str(tmp_path / "token"),
            "HF_HUB_OFFLINE": False,
            "HF_HUB_DISABLE_XET": True,
        }
        for name, value in settings.items():
            monkeypatch.setattr(f"huggingface_hub.constants.{name}", value)
        for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_OIDC_RESOURCE"):
            monkeypatch.delenv(name, raising=False)
        yield hub


@pytest.fixture
def waits(monkeypatch):
    """How long the client would have waited between its attempts; here it does not wait."""
    seconds = []
    clock = SimpleNamespace(sleep=seconds.append, time=time.time, monotonic=time.monotonic)
    for module in ("utils._http", "file_download"):
        monkeypatch.setattr(f"huggingface_hub.{module}.time", clock)
    return seconds


@pytest.fixture
def token(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)


def pull(name="hf-hub:org/net"):
    return skinseg.create_model(name)


def failure(name="hf-hub:org/net"):
    """The message of the HubError that loading ends with."""
    with pytest.raises(skinseg.HubError) as caught:
        pull(name)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- there and back ------------------------------------------------------------------------------


@pytest.mark.parametrize("lfs", [True, False], ids=["by LFS", "in the commit"])
def test_push_and_pull_give_the_same_network(hub, token, egeunet, lfs, monkeypatch):
    hub.lfs = lfs
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", lfs)
    commit = skinseg.push_to_hub(egeunet, "org/net")
    repository = hub.repositories["org/net"]
    assert commit.commit_url == f"{hub.url}/org/net/commit/{repository.refs['main']}"
    assert repository.messages[1:] == ["Upload egeunet.isic2017"]
    files = repository.commits[repository.refs["main"]]
    assert files["model.safetensors"] == EGEUNET
    assert hub.count("PUT", ".") == lfs

    pulled = pull()
    assert torch.equal(outputs(pulled), outputs(egeunet))
    record = pulled.pretrained_cfg
    assert record.hf_hub_id == "org/net"
    assert record.to_dict() == {**egeunet.pretrained_cfg.to_dict(), "hf_hub_id": "org/net"}
    # The storage behind the Hub is another host, and the token is none of its business.
    for _, path, authorised in hub.requests:
        if "org/net" in path or "repos/create" in path:
            assert authorised, path
        if path == f"/{record.sha256}":
            assert not authorised


def test_the_card_names_the_repository(hub, token, egeunet):
    skinseg.push_to_hub(egeunet, "org/net")
    repository = hub.repositories["org/net"]
    card = repository.commits[repository.refs["main"]]["README.md"].decode()
    assert 'skinseg.Predictor("hf-hub:org/net")' in card


def test_pull_a_network_of_other_arguments(hub, token):
    network = skinseg.create_model(
        "lmsaunet_n8", num_classes=2, in_chans=1, channels=(8, 16, 24, 32)
    )
    skinseg.push_to_hub(network, "org/net")
    pulled = pull()
    assert pulled.config == network.config
    assert pulled.pretrained_cfg.name == "lmsaunet_n8"
    assert torch.equal(outputs(pulled), outputs(network))


def test_push_again_replaces_what_was_there(hub, token, egeunet):
    skinseg.push_to_hub(skinseg.create_model("basic_unet"), "org/net")
    first = hub.repositories["org/net"].refs["main"]
    skinseg.push_to_hub(egeunet, "org/net")
    assert pull().pretrained_cfg.name == "egeunet.isic2017"
    assert pull(f"hf-hub:org/net@{first}").pretrained_cfg.name == "basic_unet"


def test_push_to_a_branch(hub, token, egeunet):
    skinseg.push_to_hub(egeunet, "org/net", revision="v1")
    skinseg.push_to_hub(egeunet, "org/net", revision="v1")
    assert pull("hf-hub:org/net@v1").pretrained_cfg.hf_hub_id == "org/net@v1"
    assert "no such file" in failure()


def test_a_private_repository(hub, token, egeunet, monkeypatch):
    skinseg.push_to_hub(egeunet, "org/net", private=True)
    assert hub.repositories["org/net"].private
    pull()
    monkeypatch.delenv("HF_TOKEN")
    hub.repositories["org/other"] = hub.repositories["org/net"]
    assert "set HF_TOKEN" in failure("hf-hub:org/other")


def test_weights_and_config_are_of_the_same_commit(hub, egeunet, monkeypatch):
    repository = hub.add("org/net", GOOD)
    small = skinseg.create_model("basic_unet")
    read = remote.read_config

    def meanwhile(*arguments):
        repository.commit({"config.json": b"{}", "model.safetensors": save(small.state_dict())})
        return read(*arguments)

    monkeypatch.setattr(remote, "read_config", meanwhile)
    assert torch.equal(outputs(pull()), outputs(egeunet))


# --- downloads that fail -------------------------------------------------------------------------


def test_no_such_repository(hub, token):
    assert failure() == (
        "hf-hub:org/net: config.json cannot be fetched: there is no such repository, or it takes a "
        "token to see or change it; check the name, and set HF_TOKEN to a token that is valid and "
        "may do this"
    )


def test_without_a_token_what_is_not_there_answers_401(hub):
    assert "there is no such repository, or it takes a token" in failure()
    assert hub.requests[-1][2] is False


def test_a_wrong_token(hub, monkeypatch):
    hub.add("org/net", GOOD)
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    assert "set HF_TOKEN to a token that is valid" in failure()


def test_a_gated_repository(hub, monkeypatch):
    hub.add("org/net", GOOD, gated=True)
    assert f"is gated; ask for access at {hub.url}/org/net, then set HF_TOKEN" in failure()
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    pull()


def test_access_forbidden(hub):
    hub.fail("HEAD", "config.json", 403, X_Error_Message="your plan has ended")
    assert re.search(r"access is forbidden; set HF_TOKEN .*your plan has ended", failure(), re.S)


def test_no_such_revision(hub):
    hub.add("org/net", GOOD)
    assert f"no such branch, tag or commit; {hub.url}/org/net/tree/main" in failure(
        "hf-hub:org/net@v9"
    )


@pytest.mark.parametrize("missing", GOOD)
def test_a_repository_of_something_else(hub, missing):
    hub.add("org/net", {name: data for name, data in GOOD.items() if name != missing})
    assert f"{missing} cannot be fetched: the repository has no such file" in failure()


def test_too_many_requests_are_tried_again(hub, waits):
    hub.add("org/net", GOOD)
    hub.fail("HEAD", "config.json", 429, times=3, Retry_After="7")
    pull()
    assert waits == [8.0]


def test_too_many_requests_in_the_download_are_tried_again(hub, waits):
    hub.add("org/net", GOOD)
    hub.fail("GET", "[0-9a-f]{64}", 429, times=2)
    pull()
    assert len(waits) == 2


def test_too_many_requests_for_good(hub, waits):
    hub.add("org/net", GOOD)
    hub.fail("HEAD", "config.json", 429)
    assert "too many requests (429); wait some minutes" in failure()
    assert 1 < len(waits) < 10


def test_a_server_that_fails_once(hub, waits):
    hub.add("org/net", GOOD)
    hub.fail("HEAD", "config.json", 500, times=2)
    pull()


def test_a_server_that_fails_for_good(hub, waits):
    hub.add("org/net", GOOD)
    hub.fail("HEAD", "model.safetensors", 500)
    assert "model.safetensors cannot be fetched: the server fails (500)" in failure()


def test_a_storage_that_fails(hub, waits):
    hub.add("org/net", GOOD)
    hub.fail("GET", "[0-9a-f]{64}", 500)
    assert "the server fails (500); that is an error of the server, try again later" in failure()


def test_a_download_cut_in_the_middle_goes_on(hub, waits, egeunet):
    hub.add("org/net", GOOD)
    hub.cut("[0-9a-f]{64}", after=100_000, times=2)
    assert torch.equal(outputs(pull()), outputs(egeunet))
    assert hub.count("GET", "[0-9a-f]{64}") == 3


def test_a_download_that_is_always_cut_leaves_nothing_broken(hub, waits, egeunet, tmp_path):
    hub.add("org/net", GOOD)
    hub.cut("[0-9a-f]{64}", after=0)
    message = failure()
    assert f"the connection to {hub.url} failed or broke off" in message
    assert "model.safetensors cannot be fetched" in message
    assert not list((tmp_path / "cache").rglob("model.safetensors"))
    hub.failures.clear()
    assert torch.equal(outputs(pull()), outputs(egeunet))


def test_no_network(hub, waits, monkeypatch):
    nowhere = "http://127.0.0.1:9"
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", nowhere)
    template = nowhere + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
    assert f"the connection to {nowhere} failed" in failure()
    assert waits == []  # What is out of reach is not asked again and again.


def test_the_cache_serves_without_a_network(hub, monkeypatch, egeunet):
    hub.add("org/net", GOOD)
    pull()
    hub.fail("HEAD", ".", 500)
    assert torch.equal(outputs(pull()), outputs(egeunet))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    asked = len(hub.requests)
    assert torch.equal(outputs(pull()), outputs(egeunet))
    assert len(hub.requests) == asked
    assert "HF_HUB_OFFLINE is set, so only the cache is used" in failure("hf-hub:org/other")


# --- contents that are wrong ---------------------------------------------------------------------


def config(**changes):
    return json.dumps({**json.loads(CONFIG), **changes}).encode()


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (b"{", r"hf-hub:org/net: config.json is not readable JSON"),
        (b"[1]", r"hf-hub:org/net: config.json must hold a JSON object, not list"),
        (b"{}", r"hf-hub:org/net: config.json: the key 'architecture' is missing"),
        (config(treshold=1), r"config.json: unknown key 'treshold'; did you mean threshold"),
        (config(architecture="egenet"), r"no network 'egenet'; did you mean egeunet"),
        (b"[" * 100_000, r"config.json is not readable JSON"),
        (config(recipe=json.loads("[" * 40 + "]" * 40)), r"it has more than 32 levels"),
        (
            config(limitations="x" * 2**20),
            r"it has 1,0\d\d,\d{3} bytes, and a rec",
        ),
        (
            config(architecture=3),
            r"'architecture' must be the name of a network, not 3",
        ),
        (config(model_args=[1]), r"'model_args' must be an object, not \[1\]"),
        (
            config(input_size=[3, 256]),
            r"'input_size' must be three .*, not \[3, 256\]",
        ),
        (config(input_size=[3, 0, 9]), r"'input_size' must be three positive integers"),
        (config(threshold="0.5"), r"'threshold' must be a number above 0 and below 1, not '0.5'"),
        (config(threshold=float("nan")), r"'threshold' must be .* above 0 and below 1, not nan"),
        (config(threshold=1), r"'threshold' must be a number above 0 and below 1, not 1"),
        (config(threshold=0.0), r"'threshold' must be a number above 0 and below 1, not 0.0"),
        (config(sha256="0"), r"'sha256' must be 64 hexadecimal digits or null, not '0'"),
        (config(num_params=True), r"'num_params' must be a number of parameters or null, not True"),
        (config(metrics=[{"data": "x"}, 3]), r"'metrics' must be a list of objects"),
        (config(surgery={}), r"'surgery' must be a list of objects, not {}"),
        (config(tag=None), r"'tag' must be a text, not None"),
        (config(license=["MIT"]), r"'license' must be a text or null, not \['MIT'\]"),
    ],
)
def test_a_wrong_config(hub, written, message):
    hub.add("org/net", {**GOOD, "config.json": written})
    with pytest.raises(ValueError, match=message):
        pull()


def test_an_argument_that_the_network_does_not_take(hub):
    hub.add("org/net", {**GOOD, "config.json": config(model_args={"width": 3})})
    with pytest.raises(TypeError, match="egeunet takes no argument 'width'"):
        pull()


def test_weights_that_do_not_fit_are_refused(hub):
    weights = save({"head.weight": torch.zeros(1)})
    hub.add("org/net", {"config.json": config(tag="", sha256=None), "model.safetensors": weights})
    with pytest.raises(skinseg.CheckpointError, match=r"do not fit EGEUNet: \d+ missing"):
        pull()


def test_weights_of_another_hash(hub):
    hub.add("org/net", {**GOOD, "config.json": config(tag="mine", sha256="0" * 64)})
    known = skinseg.get_pretrained_cfg("egeunet").sha256
    with pytest.raises(skinseg.CheckpointError, match=rf"sha256 is {known}, the record says 0000"):
        pull()


STEP = {"kind": "after", "place": ["encoder.stages.0"], "block": "dga", "channels": [8]}


def huge(**changes):
    return config(tag="", sha256=None, **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_args": {"channels": [80_000] * 6}}, "far larger than its file of weights"),
        ({"architecture": "bisenet", "model_args": {"layers": [90_000] * 3}}, "far larger than"),
        ({"model_args": {"num_classes": 10**9}}, "has the number 1,000,000,000 among its argu"),
        ({"surgery": [{**STEP, "options": {"expand": 10**10}}]}, "has the number 10,000,000,000"),
        ({"surgery": [{**STEP, "channels": [99_200]}]}, "far larger than its file of weights"),
    ],
)
def test_a_config_that_asks_for_all_memory_gets_none(hub, changes, message):
    hub.add("org/net", {**GOOD, "config.json": huge(**changes)})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for arguments in ({}, {"num_classes": 2}):
        with pytest.raises(ValueError, match=message):
            skinseg.create_model("hf-hub:org/net", **arguments)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000  # KiB


def test_what_other_threads_make_meanwhile_is_not_held_against_the_file():
    header = {"weight": torch.empty(1, device="meta")}
    with limited(header, "net"), ThreadPoolExecutor(1) as other:
        made = other.submit(torch.nn.Linear, 3000, 3000).result()
        with pytest.raises(skinseg.CheckpointError, match="far larger"):
            torch.nn.Linear(3000, 3000)
    assert made.in_features == 3000


def test_a_damaged_file_in_the_cache_can_be_fetched_again(hub, egeunet):
    hub.add("org/net", GOOD)
    file = Path(os.path.realpath(pull().pretrained_cfg.file))
    for damaged, message in (
        (EGEUNET[:-8] + bytes(8), "is not the file of the record .*if it was damaged in the cache"),
        (EGEUNET[:1000], "is not a readable safetensors file"),
    ):
        file.write_bytes(damaged)
        with pytest.raises(skinseg.CheckpointError, match=message) as caught:
            pull()
        assert "fetch it again: delete it, or load the network with force_download=True" in str(
            caught.value
        )
        again = skinseg.create_model("hf-hub:org/net", force_download=True)
        assert torch.equal(outputs(again), outputs(egeunet))
    assert torch.equal(outputs(pull()), outputs(egeunet))


# --- as users of PyTorchModelHubMixin expect ------------------------------------------------------


def test_from_pretrained_and_push_to_hub(hub, egeunet, tmp_path, monkeypatch):
    address = egeunet.push_to_hub(
        "org/net", commit_message="First", private=True, token=TOKEN, branch="trial"
    )
    repository = hub.repositories["org/net"]
    assert address == f"{hub.url}/org/net/commit/{repository.refs['trial']}"
    assert repository.private
    assert "First" in repository.messages
    cache = tmp_path / "other cache"
    where = {"revision": "trial", "token": TOKEN, "cache_dir": cache}
    for kind in (skinseg.models.EGEUNet, skinseg.models.SegmentationModel):
        network = kind.from_pretrained("org/net", **where)
        assert type(network) is skinseg.models.EGEUNet
        assert not network.training
        assert torch.equal(outputs(network), outputs(egeunet))
    assert Path(network.pretrained_cfg.file).is_relative_to(cache)
    assert network.pretrained_cfg.hf_hub_id == "org/net@trial"
    asked = len(hub.requests)
    here = skinseg.models.EGEUNet.from_pretrained("org/net", **where, local_files_only=True)
    assert len(hub.requests) == asked
    assert torch.equal(outputs(here), outputs(egeunet))
    skinseg.models.EGEUNet.from_pretrained("org/net", **where, force_download=True)
    assert any("model.safetensors" in path for _, path, _ in hub.requests[asked:])
    with pytest.raises(skinseg.HubError, match="not in the cache, and only the cache was asked"):
        skinseg.models.EGEUNet.from_pretrained("org/other", local_files_only=True)


def test_from_pretrained_of_a_folder(egeunet, tmp_path):
    egeunet.save_pretrained(tmp_path)
    network = skinseg.models.EGEUNet.from_pretrained(tmp_path, num_classes=2)
    assert network.num_classes == 2
    with pytest.raises(ValueError, match=r"holds a egeunet, which is no MALUNet"):
        skinseg.models.MALUNet.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("place", "revision", "message"),
    [
        ("egeunet", None, "'egeunet' is neither a folder here nor org/name"),
        ("org/name@v1", "v2", "names a revision already, and revision='v2' another"),
        (".", "v1", "is a folder, which has no revision 'v1'"),
    ],
)
def test_places_that_are_none(place, revision, message):
    with pytest.raises(ValueError, match=message):
        skinseg.models.EGEUNet.from_pretrained(place, revision=revision)


def test_a_known_tag_must_have_the_known_hash(hub):
    """However well a repository's own hash fits its file."""
    weights = {
        key: value + 1 for key, value in skinseg.create_model("egeunet").state_dict().items()
    }
    data = save(weights)
    forged = config(sha256=hashlib.sha256(data).hexdigest())
    hub.add("org/net", {"config.json": forged, "model.safetensors": data})
    with pytest.raises(skinseg.CheckpointError, match=r"says that it holds egeunet.isic2017, but"):
        pull()
    hub.add("org/bare", {"config.json": config(sha256=None), "model.safetensors": data})
    known = skinseg.get_pretrained_cfg("egeunet").sha256
    with pytest.raises(skinseg.CheckpointError, match=f"the record says {known}"):
        pull("hf-hub:org/bare")


@pytest.fixture
def published(hub, tmp_path, monkeypatch):
    """A known tag without a bundled file, that somebody has published."""
    record = PretrainedCfg(
        architecture="egeunet",
        tag="away",
        sha256=file_hash(BUNDLED / "egeunet.isic2017.safetensors"),
        hf_hub_id="org/net@v1",
    )
    folder = tmp_path / "records"
    folder.mkdir()
    (folder / "egeunet.away.json").write_text(json.dumps(record.to_dict()))
    monkeypatch.setenv("SKINSEG_WEIGHTS", str(folder))
    repository = hub.add("org/net", GOOD)
    repository.refs["v1"] = repository.refs["main"]
    return repository


def test_a_tag_that_lies_on_the_hub(published, egeunet, tmp_path):
    network = skinseg.create_model("egeunet.away", pretrained=True)
    assert torch.equal(outputs(network), outputs(egeunet))
    network.save_pretrained(tmp_path / "saved")
    assert read_local_dir(tmp_path / "saved").name == "egeunet.away"


def test_a_tag_on_the_hub_is_held_to_its_hash(published, egeunet):
    changed = save({key: value * 2 for key, value in egeunet.state_dict().items()})
    published.commit({"model.safetensors": changed}, "v1")
    with pytest.raises(skinseg.CheckpointError, match="not the file of the record"):
        skinseg.create_model("egeunet.away", pretrained=True)


# --- pushes that fail ----------------------------------------------------------------------------


def push_failure(network):
    with pytest.raises(skinseg.HubError) as caught:
        skinseg.push_to_hub(network, "org/net")
    return str(caught.value)


def test_push_without_a_token(hub, egeunet):
    message = push_failure(egeunet)
    assert "hf-hub:org/net: cannot be published: there is no such repository, or it" in message
    assert "set HF_TOKEN to a token that is valid and may do this" in message
    assert not hub.repositories


def test_push_to_somebody_elses_organization(hub, token, egeunet):
    hub.writable.clear()
    assert "access is forbidden; set HF_TOKEN to a token that may do this" in push_failure(egeunet)


@pytest.mark.parametrize("step", ["repos/create", "validate-yaml", "preupload", "batch", "commit"])
def test_push_to_a_server_that_fails(hub, token, waits, egeunet, step):
    hub.fail("POST", step, 500)
    assert "hf-hub:org/net: cannot be published: the" in push_failure(egeunet)
    assert all(len(r.commits) == 1 for r in hub.repositories.values())


def test_push_to_a_storage_that_fails(hub, token, waits, egeunet):
    hub.fail("PUT", ".", 503, times=2)
    skinseg.push_to_hub(egeunet, "org/net")
    assert len(waits) == 2
    hub.objects.clear()
    hub.repositories.clear()
    hub.fail("PUT", ".", 503)
    assert "the server fails (503)" in push_failure(egeunet)


def test_push_while_offline(hub, token, monkeypatch, egeunet):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE is set" in push_failure(egeunet)


@pytest.mark.parametrize("name", ["net", "/net", "org/", "a/b/c", ""])
def test_push_needs_an_organization_and_a_name(hub, egeunet, name):
    with pytest.raises(ValueError, match="is not org/name"):
        skinseg.push_to_hub(egeunet, name)
    assert not hub.requests


def test_push_of_other_weights_under_a_known_name(hub, token, egeunet):
    record = dataclasses.replace(egeunet.pretrained_cfg, file=None)
    with pytest.raises(skinseg.CheckpointError, match="need another tag"):
        skinseg.push_to_hub(skinseg.create_model("egeunet"), "org/net", record=record)
    assert not hub.requests


# --- command line --------------------------------------------------------------------------------


def test_dry_run_sends_nothing(hub, token):
    result = run("push", "egeunet.isic2017", "--repo", "org/net", "--dry-run")
    assert result.exit_code == 0, result.output
    assert "Nothing is sent. These files would go to org/net:" in result.stdout
    known = skinseg.get_pretrained_cfg("egeunet")
    assert f"model.safetensors: {len(EGEUNET):,} bytes, sha256 {known.sha256}" in result.stdout
    assert "pipeline_tag: image-segmentation" in result.stdout
    assert not hub.requests


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["egeunet", "--repo", "net"], 2, "'net' is not org/name"),
        (["lmsaunet_n8", "--repo", "org/net"], 2, "there are no weights for lmsaunet_n8"),
        (["egeunet", "--repo", "org/net"], 1, "set HF_TOKEN"),
    ],
)
def test_push_command_that_fails(hub, arguments, status, message):
    result = run("push", *arguments)
    assert (result.exit_code, result.stdout) == (status, "")
    assert message in result.stderr


def environment(hub, home, **more):
    ours = {
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(home),
        "HF_HUB_DISABLE_XET": "1",
        "HF_TOKEN": TOKEN,
        "OMP_NUM_THREADS": "1",
    }
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING"))}
    return {**inherited, **ours, **more}


def command(*arguments, env):
    code = "from skinseg.__main__ import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        env=env,
        timeout=300,
    )


def test_push_command_heeds_the_environment(tmp_path):
    with running_hub() as hub:
        env = environment(hub, tmp_path)
        done = command("push", "egeunet", "--repo", "org/net", "--private", env=env)
        assert done.returncode == 0, done.stderr
        repository = hub.repositories["org/net"]
        assert f"Published: {hub.url}/org/net/commit/{repository.refs['main']}" in done.stdout
        assert "--model hf-hub:org/net " in done.stdout
        assert repository.private


@pytest.mark.slow
def test_predict_from_the_hub_and_then_offline(tmp_path):
    image = tmp_path / "image.png"
    skinseg.data.write_png(image, skinseg.data.synthetic_lesion(0, 128)[0])
    with running_hub() as hub:
        hub.add("org/net", GOOD, private=True)
        line = ["predict", image, "--model", "hf-hub:org/net", "--output"]
        env = environment(hub, tmp_path)
        done = command(*line, tmp_path / "online", env=env)
        assert done.returncode == 0, done.stderr
        asked = len(hub.requests)
        offline = {**env, "HF_HUB_OFFLINE": "1", "HF_TOKEN": ""}
        done = command(*line, tmp_path / "offline", env=offline)
        assert done.returncode == 0, done.stderr
        assert len(hub.requests) == asked
        done = command(*line, tmp_path / "x", env={**offline, "HF_HOME": str(tmp_path / "empty")})
        assert done.returncode == 1
        assert "HF_HUB_OFFLINE is set" in done.stderr
    masks = [(tmp_path / run / "image_mask.png").read_bytes() for run in ("online", "offline")]
    assert masks[0] == masks[1]
