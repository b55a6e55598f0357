"""Training in processes of its own: several that share the work, and one that is killed."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from test_training import apart

import skinseg

SCRIPT = str(Path(__file__).with_name("train_a_little.py"))
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}


def start(folder, epochs, *settings, processes=1):
    command = [sys.executable]
    if processes > 1:
        command += ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    command += [SCRIPT, str(folder), str(epochs), *settings]
    return subprocess.Popen(
        command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def finish(process):
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 0, said
    return said


def outcome(folder):
    log = json.loads((folder / "log.json").read_text())
    return log, load_file(folder / "model.safetensors")


@pytest.mark.slow
@pytest.mark.parametrize(
    "setting",
    ["dice_per_image=true", "dice_per_image=false", "accumulate=2"],
    ids=["dice of images", "dice of the batch", "accumulation"],
)
def test_three_processes_do_what_one_does(tmp_path, setting):
    # Not EGE-UNet: it normalizes a few values of single images, which makes rounding a
    # thousand times larger in one step.
    settings = [setting, 'keep="last"', 'network="malunet"']
    # Three processes share batches of four and a last one of two, where one has nothing to do.
    started = [
        start(tmp_path / "one", 2, *settings),
        start(tmp_path / "many", 2, *settings, processes=3),
    ]
    for process in started:
        finish(process)
    (log, alone), (log_of_many, together) = (outcome(tmp_path / name) for name in ("one", "many"))
    for one, many in zip(log, log_of_many, strict=True):
        assert many["loss"] == pytest.approx(one["loss"], rel=1e-4)
        assert many["validation"]["loss"] == pytest.approx(one["validation"]["loss"], rel=1e-3)
    torch.manual_seed(0)
    start_of_both = skinseg.create_model("malunet").state_dict()
    assert apart(together, alone, start_of_both) < 0.05


@pytest.mark.slow
def test_processes_begin_with_the_network_of_the_first(tmp_path):
    settings = ['network="cmunext_s"', "ema_decay=0.5", 'keep="last"']
    finish(start(tmp_path / "alike", 1, *settings, processes=2))
    finish(start(tmp_path / "apart", 1, *settings, "networks_apart=true", processes=2))
    same_bits(tmp_path / "alike", tmp_path / "apart")


@pytest.mark.slow
@pytest.mark.parametrize("ema_decay", ["0.5", pytest.param("null", marks=pytest.mark.nightly)])
def test_processes_with_batchnorm_agree_about_validation(tmp_path, ema_decay):
    # Otherwise each of them would decide by itself when to end early, and wait for the other.
    settings = ['network="cmunext_s"', f"ema_decay={ema_decay}", "early_stop=1"]
    said = finish(start(tmp_path, 2, *settings, processes=2))
    logs = [line for line in said.splitlines() if line.startswith("validation:")]
    assert len(logs) == 2 and logs[0] == logs[1]


@pytest.mark.slow
def test_two_processes_go_on_where_they_were(tmp_path):
    finish(start(tmp_path / "whole", 3, processes=2))
    process = start(tmp_path / "cut", 3, processes=2)
    while not (tmp_path / "cut" / "checkpoint.pt").is_file():
        assert process.poll() is None
        time.sleep(0.05)
    process.terminate()
    process.wait(60)
    finish(start(tmp_path / "cut", 3, processes=2))
    same_bits(tmp_path / "whole", tmp_path / "cut")


@pytest.mark.slow
@pytest.mark.minutes
def test_killed_ten_times_and_resumed_it_is_the_uninterrupted_run(tmp_path):
    epochs, chance = 24, random.Random(2017)
    began = time.monotonic()
    finish(start(tmp_path / "whole", epochs))
    whole = time.monotonic() - began
    seconds = sum(entry["seconds"] for entry in outcome(tmp_path / "whole")[0])
    kills, epochs_at_kill = 0, []
    while kills < 10:
        process = start(tmp_path / "cut", epochs)
        # From the first import to a few epochs later.
        time.sleep(chance.uniform(0.3, 1.0) * (whole - seconds) + chance.uniform(0, seconds / 5))
        process.send_signal(signal.SIGKILL)
        if process.wait() == -signal.SIGKILL:
            kills += 1
            log = tmp_path / "cut" / "log.json"
            epochs_at_kill.append(len(json.loads(log.read_text())) if log.is_file() else 0)
        else:
            # It came to its end before the kill: another one begins.
            (tmp_path / "cut").rename(tmp_path / f"ended{time.monotonic_ns()}")
    finish(start(tmp_path / "cut", epochs))
    same_bits(tmp_path / "whole", tmp_path / "cut")
    assert max(epochs_at_kill) > 0, "no kill came after an epoch"


def same_bits(one, other):
    """Two run folders hold the same weights, log and state, to the last bit."""
    (log, weights), (other_log, other_weights) = outcome(one), outcome(other)
    for entries in zip(log, other_log, strict=True):
        for name in ("loss", "learning_rate", "validation"):
            assert entries[0][name] == entries[1][name]
    assert weights.keys() == other_weights.keys()
    for key, value in weights.items():
        assert torch.equal(value, other_weights[key]), key
    states = [torch.load(folder / "checkpoint.pt", weights_only=True) for folder in (one, other)]
    for key, value in states[0]["step"]["model_state_dict"].items():
        assert torch.equal(value, states[1]["step"]["model_state_dict"][key]), key
