"""Detectors of faces that know where to look: models of a few numbers, which tests make."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx

SIZE = (64, 96)
"""Height and width of what they look at."""


def model(nodes: list[Any], weights: dict[str, Any], outputs: dict[str, list[int]]) -> bytes:
    """An ONNX file of ``nodes`` from ``pictures``, channels last, to ``outputs``."""
    helper, real = onnx.helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("pictures", real, ["n", *SIZE, 3])],
        [helper.make_tensor_value_info(name, real, shape) for name, shape in outputs.items()],
        [
            onnx.numpy_helper.from_array(np.asarray(value, np.float32), name)
            for name, value in weights.items()
        ],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(made)
    content: bytes = made.SerializeToString()
    return content


def boxes_by_colour(*boxes: tuple[float, float, float, float]) -> bytes:
    """A box for each of the colours red, green, blue, whose score is the mean of that colour."""
    node, count = onnx.helper.make_node, len(boxes)
    nodes = [
        node("ReduceMean", ["pictures"], ["means"], axes=[1, 2], keepdims=0),
        node("MatMul", ["means", "which"], ["scores"]),
        node("Identity", ["places"], ["boxes"]),
    ]
    weights = {"which": np.eye(3, count), "places": [boxes]}
    return model(nodes, weights, {"boxes": [1, count, 4], "scores": [1, count]})


def always(**outputs: Any) -> bytes:
    """A detector that says the same of every picture."""
    node = onnx.helper.make_node
    nodes = [node("Identity", [f"{name}_"], [name]) for name in outputs]
    given = {f"{name}_": value for name, value in outputs.items()}
    return model(nodes, given, {name: list(np.shape(value)) for name, value in outputs.items()})


def described(folder: Path, content: bytes, **about: Any) -> str:
    """Writes a model and what describes it; the path of the description."""
    (folder / "tiny.onnx").write_bytes(content)
    path = folder / "tiny.json"
    path.write_text(json.dumps({"model": "tiny.onnx", "size": SIZE, **about}))
    return str(path)
