"""A small set of annotated pictures in COCO's form, of random pixels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

DOCUMENT: dict[str, Any] = {
    "info": {"description": "drawn for a test"},
    "categories": [
        {"id": 1, "name": "person", "supercategory": "person"},
        {"id": 18, "name": "dog"},
        {"id": 58, "name": "hot dog"},
    ],
    "images": [
        {"id": 7, "file_name": "deep/a.png", "width": 240, "height": 160},
        {"id": 8, "file_name": "b.png", "width": 120, "height": 120},
        {"id": 9, "file_name": "c.png", "width": 60, "height": 60},
    ],
    "annotations": [
        {"id": 1, "image_id": 7, "category_id": 1, "bbox": [10, 20, 120, 120], "area": 9500.0},
        {"id": 2, "image_id": 7, "category_id": 18, "bbox": [150, 60, 50, 40], "area": 1900.5},
        {"id": 3, "image_id": 7, "category_id": 18, "bbox": [200, 100, 10, 10], "area": 90},
        {"id": 4, "image_id": 7, "category_id": 58, "bbox": [0, 0, 20, 20]},
        {"id": 5, "image_id": 7, "category_id": 1, "bbox": [0, 0, 240, 160], "area": 30000, "iscrowd": 1},
        {"id": 6, "image_id": 8, "category_id": 1, "bbox": [0, 0, 120, 60], "area": 7000},
        {"id": 7, "image_id": 8, "category_id": 18, "bbox": [0, 60, 20, 20], "area": 390},
        {"id": 8, "image_id": 9, "category_id": 18, "bbox": [0, 0, 50, 50], "area": 2000},
        {"id": 9, "image_id": 9, "category_id": 1, "bbox": [10, 10, 0, 20], "area": 0},
    ],
}


def write_coco(folder: Path, document: dict[str, Any] | None = None) -> tuple[Path, Path]:
    """The annotations' file and the folder of pictures."""
    images = folder / "pictures"
    rng = np.random.default_rng(4)
    for entry in DOCUMENT["images"]:
        path = images / entry["file_name"]
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (entry["height"], entry["width"], 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
    annotations = folder / "instances.json"
    annotations.write_text(json.dumps(document or DOCUMENT), encoding="utf-8")
    return annotations, images
