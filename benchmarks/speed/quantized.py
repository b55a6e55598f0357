"""An exported network with weights and maps of 8 bits, calibrated on synthetic lesions."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quant_pre_process,
    quantize_static,
)

from skinseg import Predictor
from skinseg.data import synthetic_lesion

IMAGES = 32


class SyntheticLesions(CalibrationDataReader):
    """Images as the network gets them, one after the other.

    Args:
        file: The exported network, whose metadata say how images are prepared.
    """

    def __init__(self, file: Path) -> None:
        self.predictor = Predictor(file)
        self.images = self._prepared()

    def _prepared(self) -> Iterator[np.ndarray]:
        side = self.predictor.input_size[0]
        for seed in range(IMAGES):
            yield self.predictor.transforms.prepare(synthetic_lesion(seed, side)[0]).pixels[None]

    def get_next(self) -> dict[str, np.ndarray] | None:
        """Return the next image by the name of the network's input."""
        image = next(self.images, None)
        return None if image is None else {"images": image}


def write_quantized(file: Path, output: Path) -> Path:
    """Write an exported network again, with convolutions and products of 8 bits.

    Args:
        file: The network in ONNX, in single precision.
        output: File to write.

    Returns:
        ``output``.
    """
    shaped = output.with_suffix(".shaped.onnx")
    quant_pre_process(file, shaped, skip_symbolic_shape=True)
    quantize_static(
        shaped,
        output,
        SyntheticLesions(file),
        # Not what has its operands in one unit, such as a concatenation, which it cannot always do.
        op_types_to_quantize=["Conv", "MatMul", "Gemm"],
        quant_format=QuantFormat.QDQ,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        per_channel=True,
    )
    return output
