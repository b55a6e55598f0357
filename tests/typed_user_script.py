"""What a user may write, with the types that an editor shows: `python typed_user_script.py FOLDER`.

`test_types.py` type-checks this file and runs it.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn
from typing_extensions import assert_type

import skinseg
from skinseg.blocks import ChannelAttentionBridge, GroupedHadamardProductAttention
from skinseg.data import Sample, SyntheticDermoscopy, write_png
from skinseg.models import EGEUNet, SegmentationModel
from skinseg.models.features import FeaturePyramid
from skinseg.training import Recipe, train


def networks(x: torch.Tensor) -> None:
    network = skinseg.create_model("egeunet", num_classes=2)
    assert_type(network, SegmentationModel)
    assert_type(network(x), torch.Tensor)
    assert_type(network.forward(x), torch.Tensor)
    assert_type(network.num_classes, int)
    logits, aux = network(x, return_aux=True)
    assert_type(logits, torch.Tensor)
    assert_type(aux, list[torch.Tensor])
    assert_type(EGEUNet(num_classes=2)(x, return_aux=True), tuple[torch.Tensor, list[torch.Tensor]])
    record = skinseg.create_model("egeunet", pretrained=True).pretrained_cfg
    assert_type(record, skinseg.PretrainedCfg | None)


def pyramids(x: torch.Tensor) -> None:
    pyramid = skinseg.create_model("malunet", features_only=True, out_indices=(0, -1))
    assert_type(pyramid, FeaturePyramid)
    assert_type(pyramid(x), list[torch.Tensor])
    assert_type(pyramid.feature_info.channels(), list[int])
    assert_type(pyramid.feature_info.channels(0), int)
    assert_type(pyramid.feature_info.module_name([0, 1]), list[str])
    assert_type(pyramid.feature_info[0]["reduction"], int)
    assert_type(pyramid.feature_info[0]["module"], str)
    assert_type(skinseg.create_model("malunet", features_only=True, out_indices=2), FeaturePyramid)
    assert_type(skinseg.create_transform(skinseg.create_model("malunet"))(x[0] * 0), torch.Tensor)


def blocks(x: torch.Tensor) -> None:
    assert_type(skinseg.create_block("ghpa", 8, 16), nn.Module)
    assert_type(GroupedHadamardProductAttention(8, 16).forward(x), torch.Tensor)
    bridge = ChannelAttentionBridge([8, 8])
    assert_type(bridge.forward([x, x]), list[torch.Tensor])
    assert_type(ChannelAttentionBridge(8).forward(x), torch.Tensor)


def images(folder: Path) -> None:
    dataset = SyntheticDermoscopy(2, size=64)
    paths = [folder / f"{sample.id}.png" for sample in dataset]
    for sample, path in zip(dataset, paths, strict=True):
        assert_type(sample, Sample)
        write_png(path, sample.image)
    predictor = skinseg.Predictor("egeunet")
    assert_type(predictor(paths[0]), skinseg.Prediction)
    assert_type(predictor(paths), list[skinseg.Prediction])
    predictions = predictor.stream(paths)
    assert_type(predictions, Iterator[skinseg.Prediction])
    for prediction in predictions:
        assert_type(prediction.area_fraction, float)


def training(folder: Path) -> None:
    dataset = SyntheticDermoscopy(4, size=32)
    train_set, val_set = dataset.random_split((0.5, 0.5))
    assert_type(train_set, SyntheticDermoscopy)
    network = skinseg.create_model("malunet")
    recipe = Recipe(epochs=1, size=32, batch_size=2)
    log = train(network, train_set, val_set, folder / "run", recipe, progress=False)
    assert_type(log, list[dict[str, Any]])
    trained = skinseg.create_model(f"local-dir:{folder / 'run'}")
    assert_type(trained, SegmentationModel)


def main(folder: Path) -> None:
    networks(torch.rand(1, 3, 64, 64))
    pyramids(torch.rand(1, 3, 64, 64))
    blocks(torch.rand(1, 8, 16, 16))
    images(folder)
    training(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
