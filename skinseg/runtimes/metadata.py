"""What an exported file says of itself; read and written without torch."""

import dataclasses
import json
from collections.abc import Mapping

from skinseg.errors import CheckpointError
from skinseg.pretrained import PretrainedCfg
from skinseg.version import __version__

PREFIX = "skinseg."


class ExportedFileError(CheckpointError):
    """A file is no network that :func:`skinseg.export` wrote, or cannot be used here."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExportMetadata:
    """Facts that stand in every exported file, as text under keys that begin with ``skinseg.``.

    Attributes:
        record: Record of the weights: name, input size, normalization, threshold, licence, training
            data, scores.
        weights_sha256: Hash of the weights' safetensors file; of weights that come from no file,
            the hash of the file that they would be saved as.
        in_chans: Channels of the network's input.
        num_classes: Channels of the logits.
        size: (height, width) that the network takes, or None where it takes any.
        batch: Number of images that it takes at once, or None for any.
        input: ``"normalized"``: float32 (B, in_chans, h, w), as the record's normalization makes
            it; or ``"rgb"``: uint8 (B, H, W, 3) of any size.
        output: ``"logits"`` (B, num_classes, h, w); or, of RGB images, ``"probability"``, float32
            (B, 1, H, W), or ``"mask"``, uint8 (B, 1, H, W), 255 where there is lesion.
        precision: ``"float32"``, or ``"float16"`` for weights that are kept in half precision.
        version: Version of skinseg that wrote the file.

    Example:
        >>> metadata = ExportMetadata(record=PretrainedCfg(architecture="malunet"))
        >>> metadata.to_strings()["skinseg.threshold"]
        '0.5'
        >>> ExportMetadata.from_strings(metadata.to_strings(), "a file") == metadata
        True
    """

    record: PretrainedCfg
    weights_sha256: str = ""
    in_chans: int = 3
    num_classes: int = 1
    size: tuple[int, int] | None = None
    batch: int | None = None
    input: str = "normalized"
    output: str = "logits"
    precision: str = "float32"
    version: str = __version__

    def to_strings(self) -> dict[str, str]:
        """Return the facts as text; what is not text by itself is JSON."""
        record = self.record
        facts = {
            "model": record.name,
            "license": record.license or "not recorded",
            "input_size": json.dumps(record.input_size),
            "normalization": json.dumps(record.normalization),
            "threshold": json.dumps(record.threshold),
            "weights_sha256": self.weights_sha256,
            "in_chans": json.dumps(self.in_chans),
            "num_classes": json.dumps(self.num_classes),
            "size": json.dumps(self.size),
            "batch": json.dumps(self.batch),
            "input": self.input,
            "output": self.output,
            "precision": self.precision,
            "version": self.version,
            "record": json.dumps(record.to_dict(), ensure_ascii=False),
        }
        return {PREFIX + key: value for key, value in facts.items()}

    @classmethod
    def from_strings(cls, strings: Mapping[str, str], source: str) -> "ExportMetadata":
        """Read what :meth:`to_strings` wrote.

        Args:
            strings: Text by key; keys of other origin are passed over.
            source: What to name in errors.

        Raises:
            ExportedFileError: If a fact is missing or unreadable.
        """
        try:
            facts = {field: strings[PREFIX + field] for field in _FIELDS}
            size = json.loads(facts["size"])
            return cls(
                record=PretrainedCfg.from_dict(json.loads(facts["record"]), source),
                weights_sha256=facts["weights_sha256"],
                in_chans=int(facts["in_chans"]),
                num_classes=int(facts["num_classes"]),
                size=None if size is None else (int(size[0]), int(size[1])),
                batch=json.loads(facts["batch"]),
                input=facts["input"],
                output=facts["output"],
                precision=facts["precision"],
                version=facts["version"],
            )
        except KeyError as error:
            raise ExportedFileError(
                f"{source} does not say what it is ({error} is missing); use a file that "
                "`skinseg export` wrote"
            ) from error
        except (TypeError, ValueError) as error:
            raise ExportedFileError(
                f"{source} has damaged metadata ({error}); export it again"
            ) from error


_FIELDS = [field.name for field in dataclasses.fields(ExportMetadata)]
