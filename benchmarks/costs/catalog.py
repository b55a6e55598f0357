"""Write ``skinseg/models/catalog.json``: the zoo's networks with their modules and costs.

The package reads names, summaries and costs from it, so that listing networks needs no torch.
"""

import importlib
import inspect
import pkgutil
from typing import Any

import torch

from skinseg import models, registry
from skinseg.complexity import count_macs, count_parameters
from skinseg.files import write_json

SIZE = 256


def entry(name: str, module: str) -> dict[str, Any]:
    """Return what the catalog says of a network with its default arguments."""
    entrypoint = registry.model_entrypoint(name)
    with torch.device("meta"):
        network = entrypoint()
        macs = count_macs(network, torch.zeros(1, 3, SIZE, SIZE), ["torch"])["torch"]
    return {
        "module": module,
        "summary": (inspect.getdoc(entrypoint) or "").partition("\n")[0],
        "parameters": count_parameters(network).total,
        "macs": macs,
    }


def catalog() -> dict[str, dict[str, Any]]:
    """Return the entries of all networks that the modules of ``skinseg.models`` register."""
    for module in pkgutil.iter_modules(models.__path__):
        importlib.import_module(f"{models.__name__}.{module.name}")
    modules = {name: registry.model_entrypoint(name).__module__ for name in registry.model_names()}
    return {
        name: entry(name, module.rpartition(".")[2])
        for name, module in modules.items()
        if module.startswith(models.__name__)
    }


if __name__ == "__main__":
    write_json(f"{models.__path__[0]}/catalog.json", catalog())
