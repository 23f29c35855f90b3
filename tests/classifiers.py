"""Tiny classifiers in the ONNX format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx

LABELS = ("red", "green", "blue")
HEIGHT, WIDTH = 8, 12


def model(nodes: list[Any], weights: dict[str, Any], shape: list[Any], outputs: int | str) -> bytes:
    """An ONNX file of ``nodes`` from ``pictures`` to ``scores``."""
    helper, real = onnx.helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("pictures", real, shape)],
        [helper.make_tensor_value_info("scores", real, ["n", outputs])],
        [onnx.numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(made)
    content: bytes = made.SerializeToString()
    return content


def means(layout: str = "nhwc", matrix: Any = None) -> bytes:
    """The mean of each channel, times ``matrix``."""
    node = onnx.helper.make_node
    axes, shape = ([1, 2], ["n", HEIGHT, WIDTH, 3]) if layout == "nhwc" else ([2, 3], ["n", 3, HEIGHT, WIDTH])
    weights = np.eye(3, dtype=np.float32) if matrix is None else np.asarray(matrix, np.float32)
    nodes = [
        node("ReduceMean", ["pictures"], ["means"], axes=axes, keepdims=0),
        node("MatMul", ["means", "weights"], ["scores"]),
    ]
    return model(nodes, {"weights": weights}, shape, weights.shape[1])


def convolutions(seed: int = 0) -> bytes:
    """Two layers of random convolutions: sums of many terms, whose last digits would show another order."""
    node, chance = onnx.helper.make_node, np.random.default_rng(seed)
    weights = {
        "a": chance.normal(size=(16, 3, 3, 3)).astype(np.float32),
        "b": chance.normal(size=(3, 16, 3, 3)).astype(np.float32),
    }
    nodes = [
        node("Conv", ["pictures", "a"], ["x"]),
        node("Relu", ["x"], ["y"]),
        node("Conv", ["y", "b"], ["z"]),
        node("GlobalAveragePool", ["z"], ["pooled"]),
        node("Flatten", ["pooled"], ["scores"]),
    ]
    return model(nodes, weights, ["n", 3, HEIGHT, WIDTH], 3)


def classifier(folder: Path, content: bytes, **about: Any) -> str:
    """Writes a model and what describes it; the path of the description."""
    (folder / "tiny.onnx").write_bytes(content)
    path = folder / "tiny.json"
    given = {"model": "tiny.onnx", "labels": LABELS, "limits": {"red": 0.85}, "size": [HEIGHT, WIDTH]}
    path.write_text(
        json.dumps({key: value for key, value in {**given, **about}.items() if value is not None})
    )
    return str(path)
