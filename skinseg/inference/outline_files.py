"""Predictions as annotations of other programs: COCO, GeoJSON, LabelMe."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from skinseg.data.coco_rle import encode_rle
from skinseg.data.polygons import Polygon
from skinseg.data.run_lengths import RunLengths

LABEL = "lesion"


def coco(images: Iterable[tuple[str, np.ndarray, float]]) -> dict[str, Any]:
    """Return COCO's annotations of images: one per image with lesion, as compressed run lengths.

    Args:
        images: Of each image its file name, its mask, bool (H, W), and the confidence, 0..1.

    Example:
        >>> found = coco([("x.jpg", np.eye(2, dtype=bool), 0.9)])
        >>> found["annotations"][0]["bbox"], found["annotations"][0]["area"]
        ([0, 0, 2, 2], 2)
    """
    listed: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, (name, mask, confidence) in enumerate(images, start=1):
        height, width = mask.shape
        listed.append({"id": number, "file_name": name, "width": width, "height": height})
        runs = RunLengths.from_mask(mask)
        if runs.bounding_box is None:
            continue
        annotations.append(
            {
                "id": len(annotations) + 1,
                "image_id": number,
                "category_id": 1,
                "segmentation": encode_rle(mask),
                "area": runs.area,
                "bbox": list(runs.bounding_box),
                "iscrowd": 0,
                "score": confidence,
            }
        )
    categories = [{"id": 1, "name": LABEL}]
    return {"images": listed, "annotations": annotations, "categories": categories}


def geojson(name: str, polygons: list[Polygon], properties: dict[str, Any]) -> dict[str, Any]:
    """Return a GeoJSON FeatureCollection with a feature per polygon, in pixels, y downward.

    Args:
        name: File name of the image.
        polygons: The parts of the mask.
        properties: Further properties of each feature.
    """
    features = [
        {
            "type": "Feature",
            "geometry": {
                "type": "Polygon",
                "coordinates": [_closed(ring) for ring in (polygon.outer, *polygon.holes)],
            },
            "properties": {"image": name, "classification": {"name": LABEL}, **properties},
        }
        for polygon in polygons
    ]
    return {"type": "FeatureCollection", "features": features}


def labelme(name: str, polygons: list[Polygon], size: tuple[int, int]) -> dict[str, Any]:
    """Return a file of LabelMe, which knows no holes: they are left out.

    Args:
        name: File name of the image.
        polygons: The parts of the mask.
        size: (H, W) of the image.
    """
    shapes = [
        {
            "label": LABEL,
            "points": polygon.outer.tolist(),
            "group_id": None,
            "description": "",
            "shape_type": "polygon",
            "flags": {},
        }
        for polygon in polygons
    ]
    return {
        "version": "5.0.0",
        "flags": {},
        "shapes": shapes,
        "imagePath": name,
        "imageData": None,
        "imageHeight": size[0],
        "imageWidth": size[1],
    }


def _closed(ring: np.ndarray) -> list[list[float]]:
    points: list[list[float]] = ring.tolist()
    return [*points, points[0]]
