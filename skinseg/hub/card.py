"""The page of a network on the Hub: what its record says, and no more."""

import hashlib
import inspect
import math
import re
import unicodedata
from typing import Any, TypedDict

from huggingface_hub import EvalResult, ModelCardData

from skinseg.formatting import counted
from skinseg.pretrained import PretrainedCfg
from skinseg.registry import is_model, model_entrypoint

TASK = "image-segmentation"
TAGS = ["skinseg", "medical", "dermoscopy", "skin-lesion", "semantic-segmentation"]
# The Hub takes its own names of licenses alone; another one is "other", with its name beside.
LICENSES = re.compile(
    r"apache-2\.0|mit|bsd-[23]-clause|[al]?gpl-3\.0|mpl-2\.0|cc0-1\.0|cc-by(-nc)?(-sa|-nd)?-4\.0"
)
SCORES = {
    "pooled_iou": ("Lesion IoU, pooled", "all pixels of all images counted together"),
    "pooled_dice": ("Lesion Dice, pooled", "all pixels of all images counted together"),
    "mean_iou": ("Lesion IoU, per image", "each image's score, averaged"),
    "mean_dice": ("Lesion Dice, per image", "each image's score, averaged"),
    "accuracy": ("Accuracy", "fraction of correct pixels"),
    "sensitivity": ("Sensitivity", "fraction of the lesions' pixels that were found"),
    "specificity": ("Specificity", "fraction of the skin's pixels that were left out"),
}
# Versions before 0.2 recorded it with the scores of a training run.
NOT_SCORES = ("loss",)
PLACES = {"replace": "in place of", "after": "after", "before": "before"}
USES = """\
For research and teaching: outlining lesions in dermoscopy images, comparing methods, preparing
data that a person checks.

**Not a medical device.** A mask says where a lesion is, never what it is. It must not be used
for diagnosis, nor for a decision about a patient; it was not tested for that.
"""
LIMITS = """\
- It is known to work, as far as the scores above go, on images like those that it was measured on.
  Other cameras, clinics and ways of taking pictures were not measured.
- No score is broken down by skin tone, age or site of the body, so how well it does on each is not
  known. The public collections of dermoscopy show mostly fair skin.
- Hairs, gel bubbles, pen marks, rulers, dark corners, blur and bad light can move the outline, and
  so can very small or faint lesions, and lesions that the frame cuts. Look at every mask.
- It has no way to say that a picture shows no lesion, or no skin at all.
"""


def model_card(cfg: PretrainedCfg, source: str) -> str:
    """Write the model card of a record, in Markdown with the Hub's metadata at the top.

    Args:
        cfg: The record. What it does not say is called not recorded.
        source: Name that :func:`skinseg.create_model` loads the network by, for the example.

    Returns:
        The text of ``README.md``.

    Example:
        >>> from skinseg.pretrained import get_pretrained_cfg
        >>> cfg = get_pretrained_cfg("egeunet")
        >>> card = model_card(cfg, "hf-hub:org/name")
        >>> "pipeline_tag: image-segmentation" in card, cfg.sha256 in card
        (True, True)
    """
    sections = [
        f"# {cfg.name}\n\n{_introduction(cfg)}",
        f"## Use\n\n{_example(cfg, source)}",
        f"## Intended use\n\n{USES}",
        f"## Training\n\n{_training(cfg)}",
        f"## Scores\n\n{_scores(cfg)}",
        f"## Limits and failure cases\n\n{_limits(cfg)}",
        f"## License\n\n{_license(cfg)}",
    ]
    return f"---\n{_metadata(cfg).to_yaml()}\n---\n\n" + "\n".join(sections)


def _metadata(cfg: PretrainedCfg) -> ModelCardData:
    results = [
        EvalResult(
            task_type=TASK,
            dataset_type=_identifier(entry["data"]),
            dataset_name=str(entry["data"]),
            metric_type=key,
            metric_value=round(value, 4),
            metric_name=_label(key),
        )
        for entry in cfg.metrics
        if "data" in entry
        for key, value in _values(entry).items()
        if math.isfinite(value)
    ]
    data = cfg.training_data.get("name")
    return ModelCardData(
        library_name="skinseg",
        pipeline_tag=TASK,
        tags=[*TAGS, cfg.architecture.replace(":", "-")],
        # The Hub wants an identifier: the name up to the first comma or colon.
        datasets=[_identifier(re.split("[,:;(]", str(data))[0])] if data else None,
        metrics=sorted({result.metric_type for result in results}) or None,
        # Without results the name would stand in the metadata by itself, where it means nothing.
        model_name=cfg.name if results else None,
        eval_results=results or None,
        **_license_names(cfg.license),
    )


def _slug(text: str) -> str:
    # "Piel café" is "piel-cafe"; letters that are none of Latin's with a mark go.
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9.]+", "-", plain.lower()).strip("-.")


def _identifier(name: object) -> str:
    """What the Hub calls a data set; of a name without Latin letters, a part of its hash."""
    text = str(name)
    return _slug(text) or f"data-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


class _LicenseNames(TypedDict, total=False):
    license: str
    license_name: str


def _license_names(license: str | None) -> _LicenseNames:
    if license is None:
        return {}
    if LICENSES.fullmatch(license.lower()):
        return {"license": license.lower()}
    return {"license": "other", "license_name": _slug(license)}


def _values(entry: dict[str, Any]) -> dict[str, float]:
    """The scores among what a measurement records; a loss is none, nor is a count."""
    found = {}
    for key, value in entry.items():
        whole = isinstance(value, int) and not isinstance(value, bool) and key in SCORES
        if key not in NOT_SCORES and (whole or isinstance(value, float)):
            found[key] = float(value)
        elif value is None and key in SCORES:  # JSON has no NaN.
            found[key] = math.nan
    return found


def _label(key: str) -> str:
    return SCORES.get(key, (key, ""))[0]


def _introduction(cfg: PretrainedCfg) -> str:
    known = is_model(cfg.architecture)
    summary = inspect.getdoc(model_entrypoint(cfg.architecture)) if known else None
    channels, height, width = cfg.input_size
    facts = {
        "Network": f"`{cfg.architecture}`. {(summary or '').partition(chr(10))[0]}".strip(),
        "Parameters": f"{cfg.num_params:,}" if cfg.num_params else "not recorded",
        "Arguments": f"`{', '.join(f'{k}={v!r}' for k, v in cfg.model_args.items())}`",
        **_blocks(cfg),
        "Input": f"{height} x {width}, {counted(channels, 'channel')}; {_pairs(cfg.normalization)}",
        "Output": f"logits at the input's size; lesion from probability {cfg.threshold} on",
        "Weights": f"sha256 `{cfg.sha256}`" if cfg.sha256 else "`model.safetensors`",
    }
    return (
        "A network that outlines skin lesions in dermoscopy images, for the Python package "
        "`skinseg`.\n\n" + "\n".join(f"- {name}: {fact}" for name, fact in facts.items()) + "\n"
    )


def _blocks(cfg: PretrainedCfg) -> dict[str, str]:
    """What was put into the network that its name alone does not say."""
    places = [
        f"`{step['block']}` {PLACES[step['kind']]} `{' + '.join(step['place'])}`"
        for step in cfg.surgery
    ]
    return {"Blocks put in": "; ".join(places)} if places else {}


def _example(cfg: PretrainedCfg, source: str) -> str:
    lines = ["import skinseg", ""]
    # The predictor knows lesion and skin alone; other networks give logits.
    arguments = cfg.model_args
    if arguments.get("num_classes", arguments.get("classes", 1)) <= 2:
        lines += [
            f'predictor = skinseg.Predictor("{source}")',
            'found = predictor("image.jpg")  # any size; or an array, a PIL image, a tensor',
            "found.mask  # bool (H, W), at the image's own size",
            "",
        ]
    lines.append(f'net = skinseg.create_model("{source}")  # a torch.nn.Module, with its weights')
    return "\n".join(["```python", *lines, "```", ""])


def _training(cfg: PretrainedCfg) -> str:
    if not cfg.training_data and not cfg.recipe:
        return "Not recorded.\n"
    lines = [f"- {_words(key)}: {value}" for key, value in cfg.training_data.items()]
    settings = {k: v for k, v in cfg.recipe.items() if not isinstance(v, (dict, list))}
    if settings:
        lines.append(f"- recipe: {_pairs(settings)}; in full in `config.json`")
    if cfg.commit:
        lines.append(f"- commit of the code: `{cfg.commit}`")
    return "\n".join(lines) + "\n"


def _scores(cfg: PretrainedCfg) -> str:
    if not cfg.metrics:
        return (
            "None recorded. Measure it on images of your own before relying on it: "
            "`skinseg evaluate --help`.\n"
        )
    return "\n".join(_score_table(entry) for entry in cfg.metrics)


def _score_table(entry: dict[str, Any]) -> str:
    values = _values(entry)
    about = {k: v for k, v in entry.items() if k not in {"data", *values, *NOT_SCORES}}
    rows = [
        f"| {_label(k)} | {_shown(v)} | {SCORES.get(k, ('', ''))[1]} |" for k, v in values.items()
    ]
    title = f"On {entry.get('data', 'data that the record does not name')}"
    return "\n".join(
        [f"{title} ({_pairs(about)}):\n", "| score | value | what it is |", "|---|---|---|", *rows]
    ) + ("\n")


def _shown(score: float) -> str:
    return f"{score:.4f}" if math.isfinite(score) else "not defined"


def _limits(cfg: PretrainedCfg) -> str:
    own = f"{cfg.limitations}\n\n" if cfg.limitations else ""
    return f"{own}{LIMITS}"


def _license(cfg: PretrainedCfg) -> str:
    text = f"Weights: {cfg.license or 'not recorded; ask whoever published them'}."
    if "license" in cfg.training_data:
        text += f" Training data: {cfg.training_data['license']}."
    if "citation" in cfg.training_data:
        text += f" Cite: {cfg.training_data['citation']}."
    return f"{text}\n"


def _words(key: str) -> str:
    return key.replace("_", " ")


def _pairs(values: dict[str, Any]) -> str:
    return ", ".join(f"{_words(key)} {value}" for key, value in values.items()) or "none"
