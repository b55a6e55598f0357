"""The service: masks to the bit, batches, limits, and every bad image with its reason."""

import asyncio
import dataclasses
import http.client
import inspect
import io
import json
import logging
import random
import re
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from starlette.testclient import TestClient
from typer.testing import CliRunner

import skinseg
from skinseg.cli import app as commands
from skinseg.cli.serve import _predictor, serve
from skinseg.data import Normalization, decode_rle, polygon_runs, read_mask, synthetic_lesion
from skinseg.inference.preprocessing import Prepared
from skinseg.serving import Limits, create_app, listen
from skinseg.serving.accept import preferred
from skinseg.serving.batching import Batcher
from skinseg.serving.server import quiet_libraries, server

PNG = {"Accept": "image/png"}
ROOT = Path(__file__).parents[1]


class Brightness(torch.nn.Module):
    """Lesion is what is dark: a network that is known, and that can be held up or made to fail."""

    def __init__(self):
        super().__init__()
        self.free = threading.Event()
        self.free.set()
        self.batches = []
        self.waiting = False

    def forward(self, x):
        self.waiting = True
        self.free.wait(20)
        self.batches.append(len(x))
        if bool((x > 0.999).all(dim=(1, 2, 3)).any()):
            raise RuntimeError("white is the secret reason")
        return 0.5 - x.mean(1, keepdim=True)


def predictor(**settings):
    unit = Normalization(kind="mean_std", mean=(0.0,) * 3, std=(1.0,) * 3)
    network = Brightness()
    settings = {"input_size": 64, "normalization": unit, "workers": 4, **settings}
    return skinseg.Predictor(network, **settings), network


def encoded(image, format="PNG", **options):
    file = io.BytesIO()
    Image.fromarray(image).save(file, format, **options)
    return file.getvalue()


LESIONS = [encoded(synthetic_lesion(seed, size=(60 + seed, 90))[0]) for seed in range(12)]
PHOTOGRAPH = encoded(synthetic_lesion(20, size=300)[0], "JPEG")


@pytest.fixture(scope="module")
def served():
    """A client of the service, and what it is served by."""
    made, network = predictor()
    with TestClient(create_app(made)) as client:
        yield client, made, network


def client_of(limits=None, **settings):
    made, network = predictor(**settings)
    return TestClient(create_app(made, limits), raise_server_exceptions=False), made, network


def form(*contents):
    return [("images", ("../../etc/passwd", content, "image/png")) for content in contents]


def mask_of(answer):
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "image/png"
    return read_mask(answer.content)


def problem(answer, status):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found = answer.json()
    assert found["status"] == status
    assert "Traceback" not in answer.text and ".py" not in answer.text
    return found["detail"]


def number(client, line):
    text = client.get("/metrics").text
    [value] = [row.split()[-1] for row in text.splitlines() if row.startswith(f"{line} ")] or ["0"]
    return float(value)


# --- Masks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [LESIONS[0], PHOTOGRAPH], ids=["png", "jpeg"])
def test_a_mask_is_the_predictors_to_the_bit(served, content):
    client, made, _ = served
    expected = made(content).mask
    assert expected.any() and not expected.all()
    raw = client.post("/predict", content=content, headers={**PNG, "Content-Type": "image/jpeg"})
    np.testing.assert_array_equal(mask_of(raw), expected)
    in_form = client.post("/predict", files=form(content), headers=PNG)
    assert in_form.content == raw.content
    assert raw.headers["cache-control"] == "no-store"


def test_several_lines_of_accept_are_one(served):
    client, _, _ = served
    headers = [("Accept", "text/html"), ("Accept", "image/png"), ("Content-Type", "image/png")]
    answer = client.post("/predict", content=LESIONS[0], headers=headers)
    assert answer.headers["content-type"] == "image/png"


def test_json_holds_the_mask_its_outline_and_its_measurements(served):
    client, made, _ = served
    answer = client.post("/predict", files=form(*LESIONS[:3])).json()
    assert "Not a medical device" in answer["notice"]
    assert answer["model"] == {
        "name": "Brightness",
        "input_size": [64, 64],
        "threshold": 0.5,
        "version": skinseg.__version__,
    }
    assert len(answer["images"]) == 3
    for found, content in zip(answer["images"], LESIONS, strict=False):
        expected = made(content)
        np.testing.assert_array_equal(decode_rle(found["rle"]), expected.mask)
        assert found["area"] == expected.mask.sum()
        assert found["confidence"] == expected.confidence
        rings = [r for p in found["polygons"] for r in (p["outer"], *p["holes"])]
        runs = polygon_runs(map(np.array, rings), tuple(found["size"]))
        assert abs(runs.area - found["area"]) < 0.1 * found["area"]
        rest = {k: v for k, v in found.items() if k != "area"}
        assert rest == json.loads(json.dumps(expected.to_dict()))


def test_images_that_arrive_together_share_a_batch():
    client, made, network = client_of(batch_size=8)
    expected = [made(content).mask for content in LESIONS]
    network.batches.clear()
    network.free.clear()
    with client, ThreadPoolExecutor(len(LESIONS)) as pool:
        requests = [
            pool.submit(client.post, "/predict", files=form(content), headers=PNG)
            for content in LESIONS
        ]
        time.sleep(0.3)  # The network is busy with the first; the others are read meanwhile.
        network.free.set()
        answers = [request.result() for request in requests]
        assert number(client, "skinseg_batch_images_count") == len(network.batches)
        assert number(client, "skinseg_batch_images_sum") == len(LESIONS)
    for answer, mask in zip(answers, expected, strict=True):
        np.testing.assert_array_equal(mask_of(answer), mask)
    assert sum(network.batches) == len(LESIONS)
    assert len(network.batches) <= len(LESIONS) // 2
    assert max(network.batches) <= 8


def test_an_image_alone_does_not_wait_for_others():
    def predict(images):
        return [skinseg.Prediction.from_logits(i.pixels, i.size, 0.5) for i in images]

    async def seconds():
        image = Prepared(np.ones((1, 8, 8), np.float32), (8, 8))
        async with Batcher(predict, batch_size=8, threads=1, wait=5) as batcher:
            started = time.perf_counter()
            await batcher.segment(lambda: image)
            return time.perf_counter() - started

    assert asyncio.run(seconds()) < 2


def test_settings_of_the_predictor_are_the_services():
    client, made, _ = client_of(threshold=0.53, fill_holes=True, tile=40)
    with client:
        answer = client.post("/predict", files=form(LESIONS[3]), headers=PNG)
    np.testing.assert_array_equal(mask_of(answer), made(LESIONS[3]).mask)


# --- What is refused -----------------------------------------------------------------------------

WHITE = np.full((40, 50, 3), 200, np.uint8)
ANIMATION = io.BytesIO()
Image.fromarray(WHITE).save(
    ANIMATION, "GIF", save_all=True, append_images=[Image.fromarray(WHITE // 2)]
)
PAGES = io.BytesIO()
Image.fromarray(WHITE).save(
    PAGES, "TIFF", save_all=True, append_images=[Image.fromarray(WHITE // 2)]
)
NO_PIXELS = bytearray(encoded(WHITE))
NO_PIXELS[16:20] = bytes(4)

BAD = {
    "empty": (b"", 422, "zero bytes"),
    "text": (b"This is a letter and no image at all.", 422, "not an image"),
    "html": (b"<!doctype html><script>alert(1)</script>", 422, "not an image"),
    "svg": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', 422, "not an image"),
    "zip": (b"PK\x03\x04" + bytes(60), 422, "not an image"),
    "header alone": (LESIONS[0][:20], 422, "truncated or damaged"),
    "cut png": (LESIONS[0][: len(LESIONS[0]) // 2], 422, "truncated or damaged"),
    "cut jpeg": (PHOTOGRAPH[: len(PHOTOGRAPH) // 2], 422, "truncated or damaged"),
    "no pixels": (bytes(NO_PIXELS), 422, ""),
    "animation": (ANIMATION.getvalue(), 422, "several frames"),
    "pages": (PAGES.getvalue(), 422, "several frames or pages"),
    "tiny": (encoded(WHITE[:4, :4]), 422, "4 x 4 pixels"),
    "floats": (encoded(np.ones((40, 40), np.float32), "TIFF"), 422, "no known range"),
    "dicom": (bytes(128) + b"DICM" + bytes(100), 415, "DICOM"),
}


@pytest.mark.parametrize("name", BAD)
def test_every_bad_image_is_refused_with_its_reason(served, name):
    client, _, network = served
    content, status, reason = BAD[name]
    before = len(network.batches)
    detail = problem(client.post("/predict", files=form(content)), status)
    assert reason in detail and "passwd" not in detail and "max_pixels" not in detail
    raw = client.post("/predict", content=content, headers={"Content-Type": "image/png"})
    assert problem(raw, status) == detail
    assert len(network.batches) == before


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_no_damage_is_the_services_error(served):
    client, *_ = served
    chance = random.Random(0)
    image = Image.fromarray(synthetic_lesion(3, size=64)[0])
    statuses = []
    for format in ("PNG", "JPEG", "TIFF", "GIF", "WEBP", "BMP", "JPEG2000"):
        file = io.BytesIO()
        image.save(file, format)
        for _ in range(20):
            content = bytearray(file.getvalue())
            for _ in range(chance.choice((1, 2, 5))):
                content[chance.randrange(min(len(content), 400))] = chance.randrange(256)
            headers = {**PNG, "Content-Type": "image/png"}
            answer = client.post("/predict", content=bytes(content), headers=headers)
            statuses.append(answer.status_code)
    assert set(statuses) <= {200, 413, 422}
    assert statuses.count(422) > 30


def test_a_bad_image_among_others_is_named(served):
    client, *_ = served
    detail = problem(client.post("/predict", files=form(LESIONS[0], b"no", LESIONS[1], b"")), 422)
    assert "image 2 of 4" in detail and "image 4 of 4" in detail and "image 1" not in detail


@pytest.mark.parametrize(
    ("request_", "status", "reason"),
    [
        ({"content": b"x", "headers": {"Content-Type": "text/plain"}}, 415, "'text/plain'"),
        ({"content": b"x"}, 415, "a body of type ''"),
        ({"data": {"a": "b"}}, 415, "'application/x-www-form-urlencoded'"),
        ({"files": [("image", ("x", LESIONS[0]))]}, 400, "a field 'image'"),
        ({"files": [("images", (None, b"text"))]}, 400, "is text, not a file"),
        (
            {
                "content": b"--x--\r\n",
                "headers": {"Content-Type": "multipart/form-data; boundary=x"},
            },
            400,
            "the form",
        ),
        (
            {
                "content": b"nonsense",
                "headers": {"Content-Type": "multipart/form-data; boundary=x"},
            },
            400,
            "the form cannot be read",
        ),
        (
            {"content": b"nonsense", "headers": {"Content-Type": "multipart/form-data"}},
            400,
            "boundary",
        ),
        ({"files": form(LESIONS[0]), "headers": {"Accept": "text/html"}}, 406, "'text/html'"),
        ({"files": form(*LESIONS[:2]), "headers": PNG}, 406, "2 images"),
        ({"files": form(LESIONS[0]), "params": {"threshold": 0.1}}, 400, "'threshold'"),
    ],
)
def test_requests_that_cannot_be_meant_are_refused(served, request_, status, reason):
    client, *_ = served
    assert reason in problem(client.post("/predict", **request_), status)


def test_a_form_that_is_cut_off_is_refused_and_nothing_is_segmented(served):
    client, _, network = served
    whole = client.build_request("POST", "/predict", files=form(*LESIONS[:2]))
    content, headers = whole.read(), {"Content-Type": whole.headers["Content-Type"]}
    before = len(network.batches)
    # After the first image, inside the second, and before the last line.
    second = content.index(b"images", content.index(b"images") + 1)
    for length in (second - 60, second + 200, content.rindex(b"--", 0, -4) - 20):
        answer = client.post("/predict", content=content[:length], headers=headers)
        assert "cut off" in problem(answer, 400)
    assert len(network.batches) == before
    assert len(client.post("/predict", content=content, headers=headers).json()["images"]) == 2


def test_wrong_addresses_and_methods_are_answered_alike(served):
    client, *_ = served
    assert "/docs" in problem(client.get("/nothing"), 404)
    assert "GET /predict" in problem(client.get("/predict"), 405)


def test_limits_of_sizes():
    limits = Limits(max_bytes=9000, max_request_bytes=20_000, max_pixels=5000, max_images=3)
    client, *_ = client_of(limits)
    small = encoded(WHITE)
    with client:
        assert client.post("/predict", files=form(small, small, small)).status_code == 200
        detail = problem(client.post("/predict", files=form(*[small] * 4)), 413)
        assert "more than 3 images" in detail
        large = encoded(np.zeros((60, 90, 3), np.uint8))
        assert "90 x 60 = 5,400 pixels" in problem(client.post("/predict", files=form(large)), 413)
        noise = np.random.default_rng(0).integers(0, 255, (60, 60, 3), np.uint8)
        assert "9,000" in problem(client.post("/predict", files=form(encoded(noise))), 413)
        many = client.post("/predict", files=form(encoded(noise), encoded(noise)))
        assert "20,000" in problem(many, 413)


def test_a_body_that_is_too_large_is_refused_before_all_of_it_is_read():
    client, *_ = client_of(Limits(max_bytes=10_000, max_request_bytes=20_000))
    taken = []

    def body():
        for _ in range(1000):
            taken.append(1)
            yield bytes(1000)

    async def scenario(app):
        # The protocol itself, as the test client reads all of a body before it sends any.
        parts = body()
        sent = []

        async def receive():
            return {"type": "http.request", "body": next(parts), "more_body": True}

        async def send(message):
            sent.append(message)

        scope = {
            "type": "http",
            "method": "POST",
            "path": "/predict",
            "query_string": b"",
            "headers": [(b"content-type", b"image/png")],
        }
        await app(scope, receive, send)
        return sent[0]["status"]

    with client:
        assert asyncio.run(scenario(client.app)) == 413
    # What the limit allows is kept, and as much again as a request may have is read away.
    assert len(taken) < 40


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_images": 0}, "max_images must be 1 or more, not 0"),
        ({"max_pixels": 200_000_000}, "max_pixels must be 1 to 100,000,000, not 200,000,000"),
        ({"timeout": 0}, "timeout must be more than 0 seconds"),
        ({"timeout": float("inf")}, "timeout must be .* finite, not inf"),
        ({"timeout": float("nan")}, "timeout must be .* finite, not nan"),
        ({"max_bytes": 60_000_000}, "max_request_bytes must be 60,000,000 or more"),
    ],
)
def test_limits_that_make_no_sense_are_errors(settings, message):
    with pytest.raises(ValueError, match=message):
        Limits(**settings)


# --- Load and failures ---------------------------------------------------------------------------


def test_more_requests_than_allowed_are_told_to_come_again():
    client, _, network = client_of(Limits(max_concurrency=2))
    network.free.clear()
    with client, ThreadPoolExecutor(4) as pool:
        held = [pool.submit(client.post, "/predict", files=form(LESIONS[0])) for _ in range(2)]
        while number(client, "skinseg_requests_in_progress") < 2:
            time.sleep(0.01)
        refused = client.post("/predict", files=form(LESIONS[0]))
        assert "2 requests" in problem(refused, 503)
        assert refused.headers["retry-after"] == "1"
        assert client.get("/health").status_code == 200
        network.free.set()
        assert [answer.result().status_code for answer in held] == [200, 200]
        assert client.post("/predict", files=form(LESIONS[0])).status_code == 200
        assert number(client, 'skinseg_requests_total{status="503"}') == 1
        assert number(client, 'skinseg_requests_total{status="200"}') == 3
        assert number(client, "skinseg_request_seconds_count") == 4


def test_an_answer_that_takes_too_long_is_given_up():
    client, _, network = client_of(Limits(timeout=0.2))
    network.free.clear()
    with client:
        assert "0.2 seconds" in problem(client.post("/predict", files=form(LESIONS[0])), 503)
        network.free.set()
        assert client.post("/predict", files=form(LESIONS[1])).status_code == 200


def test_a_network_that_fails_is_survived_and_spoils_no_other_answer(caplog):
    client, _, network = client_of()
    white = encoded(np.full((64, 64, 3), 255, np.uint8))
    network.free.clear()
    with client, ThreadPoolExecutor(4) as pool:
        contents = [LESIONS[0], white, LESIONS[1], LESIONS[2]]
        requests = [pool.submit(client.post, "/predict", files=form(c)) for c in contents]
        time.sleep(0.2)
        network.free.set()
        answers = [request.result() for request in requests]
        detail = problem(answers.pop(1), 500)
        assert "secret" not in detail
        assert [answer.status_code for answer in answers] == [200, 200, 200]
        assert client.post("/predict", files=form(LESIONS[0])).status_code == 200
    assert "white is the secret reason" in caplog.text


# --- What is there beside the masks --------------------------------------------------------------


def test_health(served):
    client, *_ = served
    found = client.get("/health").json()
    assert found["status"] == "ok"
    assert found["model"]["name"] == "Brightness"


def test_the_document_and_its_page_describe_the_service_and_load_nothing(served):
    client, *_ = served
    document = client.get("/openapi.json").json()
    operation = document["paths"]["/predict"]["post"]
    assert {"multipart/form-data", "image/jpeg"} <= operation["requestBody"]["content"].keys()
    statuses = {"200", "400", "406", "408", "413", "415", "422", "500", "503"}
    assert operation["responses"].keys() == statuses
    assert "Not a medical device" in document["info"]["description"]
    fields = document["components"]["schemas"]["ImageAnswer"]["properties"]
    assert {"area", "confidence", "polygons", "rle"} <= fields.keys()
    answer = client.get("/docs")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    for text in ("POST /predict", "confidence", "multipart/form-data", "Not a medical device"):
        assert text in answer.text
    assert "<script" not in answer.text and "http:" not in answer.text
    assert "https:" not in answer.text


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, "application/json"),
        ("", "application/json"),
        ("IMAGE/PNG", "image/png"),
        ("text/html, image/png;q=0.2", "image/png"),
        ("application/json;q=0.1, */*", "image/png"),
        ("*/*, image/png;q=0", "application/json"),
        ("image/png;q=nan", None),
        ("application/json;q=nan, image/png", "image/png"),
        ("image/png;q=high, text/*", None),
        (",;,", None),
    ],
)
def test_what_a_client_accepts(accept, expected):
    assert preferred(accept, ("application/json", "image/png")) == expected


# --- The command ---------------------------------------------------------------------------------


def run(*arguments):
    return CliRunner().invoke(commands, ["serve", *map(str, arguments)])


def test_the_commands_limits_are_those_of_the_library():
    options = inspect.signature(serve).parameters
    for field in dataclasses.fields(Limits):
        assert options[field.name].default == field.default, field.name


@pytest.mark.parametrize("error", [TypeError, skinseg.OptimizationError])
def test_the_fast_form_is_served_where_there_is_one(monkeypatch, error):
    served_by_default = [_predictor("basic_unet", None, workers=1)]

    def refuse(*arguments):
        raise error

    monkeypatch.setattr("skinseg.optimization.optimize", refuse)
    served_by_default.append(_predictor("basic_unet", None, workers=1))
    fast, plain = (predictor.model for predictor in served_by_default)
    assert isinstance(fast, skinseg.optimization.OptimizedModel)
    assert isinstance(plain, skinseg.models.BasicUNet)
    assert isinstance(_predictor("basic_unet", "torch").model, skinseg.models.BasicUNet)


def test_wrong_use_of_the_command():
    result = run("--max-images", 0)
    assert result.exit_code == 2
    assert "--max-images must be 1 or more, not 0" in result.output
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = run("--port", port)
    assert result.exit_code == 1
    assert f"port {port} is taken; choose another with --port" in result.output
    result = run("--host", "203.0.113.1")
    assert result.exit_code == 1
    assert "cannot listen on '203.0.113.1'" in result.output


def test_what_is_missing_is_named(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("skinseg.serving.")]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("create_app", "app"):
        monkeypatch.delitem(vars(skinseg.serving), name, raising=False)
    monkeypatch.setitem(sys.modules, "fastapi", None)
    result = run()
    assert result.exit_code == 1
    assert "pip install '.[serve]' in a clone of skinseg" in result.output


@pytest.fixture
def process():
    """A server in a thread, its address, and its network."""
    made, network = predictor()
    limits = Limits(max_bytes=1_000_000, max_request_bytes=2_000_000, timeout=1)
    with listen(port=0) as listening:
        address = f"http://127.0.0.1:{listening.getsockname()[1]}/predict"
        serving = server(create_app(made, limits), limits)
        thread = threading.Thread(target=serving.run, kwargs={"sockets": [listening]})
        thread.start()
        yield serving, address, network
        serving.should_exit = True
        thread.join(20)
        assert not thread.is_alive()


def test_requests_that_have_begun_are_answered_when_the_server_ends(process):
    serving, address, network = process
    network.free.clear()
    request = urllib.request.Request(address, LESIONS[0], {"Content-Type": "image/png"})
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(urllib.request.urlopen, request, timeout=20)
        while not network.waiting:
            time.sleep(0.01)
        serving.should_exit = True
        time.sleep(0.3)
        network.free.set()
        assert answer.result().status == 200


def test_what_libraries_say_of_bad_input_is_not_logged(caplog):
    with quiet_libraries():
        for name in ("PIL.TiffImagePlugin", "python_multipart.multipart"):
            logging.getLogger(name).error("what the image holds")
        warnings.warn("what the image holds", UserWarning, stacklevel=1)
    assert not caplog.records
    logging.getLogger("PIL.TiffImagePlugin").error("said outside")
    assert "said outside" in caplog.text


def test_an_answer_is_not_held_up_for_the_receipt_of_its_header(process):
    _, address, _ = process
    port = int(address.split(":")[2].split("/")[0])
    connection = http.client.HTTPConnection("127.0.0.1", port)
    seconds = []
    for _ in range(10):
        started = time.perf_counter()
        connection.request("GET", "/health")
        connection.getresponse().read()
        seconds.append(time.perf_counter() - started)
    connection.close()
    assert min(seconds[3:]) < 0.02


def test_who_is_refused_while_still_sending_gets_the_reason(process):
    _, address, _ = process
    # More than fits into the buffers of a connection that the server would close.
    for size, kind, status in ((1_900_000, "text/plain", 415), (1_900_000, "image/png", 413)):
        request = urllib.request.Request(address, bytes(size), {"Content-Type": kind})
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=20)
        assert refused.value.code == status
        assert json.load(refused.value)["detail"]


def test_who_sends_too_slowly_is_told_so_and_who_leaves_is_counted(process):
    _, address, _ = process
    port = int(address.split(":")[2].split("/")[0])
    lines = ("POST /predict HTTP/1.1", "Host: x", "Content-Type: image/png", "Content-Length: 99")
    head = "".join(f"{line}\r\n" for line in (*lines, "")).encode()
    with socket.create_connection(("127.0.0.1", port)) as left:
        left.sendall(head)
    with socket.create_connection(("127.0.0.1", port)) as slow:
        slow.sendall(head + b"\x89PNG")
        slow.settimeout(20)
        assert slow.recv(1000).startswith(b"HTTP/1.1 408 ")
    figures = urllib.request.urlopen(address.replace("predict", "metrics")).read().decode()
    assert 'skinseg_requests_total{status="499"} 1.0' in figures
    assert 'skinseg_requests_total{status="408"} 1.0' in figures


def test_the_guides_client_works(process, tmp_path, monkeypatch, capsys):
    _, address, _ = process
    text = (ROOT / "docs" / "guides" / "serve.md").read_text(encoding="utf-8")
    [code] = re.findall(r"^```\{\.python \.notest\}\n(.*?)^```", text, re.S | re.M)
    (tmp_path / "lesion.jpg").write_bytes(PHOTOGRAPH)
    monkeypatch.chdir(tmp_path)
    exec(code.replace("http://127.0.0.1:8000/predict", address))
    assert "(300, 300)" in capsys.readouterr().out


# --- The container -------------------------------------------------------------------------------


def test_the_container_copies_files_that_are_there():
    text = (ROOT / "packaging" / "Containerfile").read_text(encoding="utf-8")
    lines = text.replace("\\\n", " ").splitlines()
    copied = [line.split()[1:-1] for line in lines if line.startswith("COPY ")]
    paths = [path for parts in copied if not parts[0].startswith("--from") for path in parts]
    assert paths
    for path in paths:
        assert (ROOT / path).exists(), path
    assert any(line.startswith("HEALTHCHECK ") for line in lines)
    [user] = [line.split()[1] for line in lines if line.startswith("USER ")]
    assert user not in ("root", "0")
