"""Models of transformers: by their name on the hub, or from a folder."""

from pathlib import Path
from typing import Any

from supple.errors import SuppleError, first_line
from supple.sources.model import NamedModel
from supple.sources.optional import import_source, load_failure
from supple.sources.transformers_inputs import model_constants, model_inputs

CONFIG_FILE = "config.json"


def load_folder(folder: Path, pretrained: bool) -> NamedModel:
    """Return the model of a folder that `save_pretrained` wrote; with random weights where it holds none.

    Raises `SuppleError` where the folder holds no model, or its weights as anything but safetensors.
    """
    if not folder.is_dir():
        raise SuppleError(f'There is no folder "{folder}".')
    if not (folder / CONFIG_FILE).is_file():
        raise SuppleError(f'"{folder}" is no folder of a transformers model: it holds no {CONFIG_FILE}.')
    weights = sorted(entry.name for entry in folder.iterdir() if entry.suffix in (".safetensors", ".bin", ".pt"))
    if pretrained and weights and not any(name.endswith(".safetensors") for name in weights):
        raise SuppleError(
            f'The weights in "{folder}" ({weights[0]}) would have to be unpickled, which can run any code: save them '
            "with save_pretrained of a current transformers, which writes model.safetensors."
        )
    return load_transformers(str(folder), pretrained and bool(weights))


def load_transformers(name: str, pretrained: bool) -> NamedModel:
    """Return the model of this name on the hub (or in this folder); code from the hub is never run.

    It is of the class that its config names, else the bare model of its kind. Raises `SuppleError` where it cannot be
    loaded from safetensors by the classes of the installed transformers.
    """
    transformers: Any = import_source("transformers", f'The model "{name}"')
    try:
        config = transformers.AutoConfig.from_pretrained(name, trust_remote_code=False)
        model_class = _model_class(transformers, config)
    except Exception as error:  # offline, not found, not supported: each has a class of its own
        raise _failure(name, error) from error
    try:
        if pretrained:
            model = model_class.from_pretrained(name, config=config, use_safetensors=True, trust_remote_code=False)
        elif model_class is transformers.AutoModel:
            model = model_class.from_config(config, trust_remote_code=False)
        else:
            model = model_class(config)
    except Exception as error:  # whatever the classes of the model raise
        raise _failure(name, error) from error
    return NamedModel(model, model_inputs(model), model_constants(model))


def _model_class(transformers: Any, config: Any) -> Any:
    for architecture in config.architectures or ():
        # A config may come from anybody: of what it names only models count.
        found = getattr(transformers, architecture, None)
        if isinstance(found, type) and issubclass(found, transformers.PreTrainedModel):
            return found
    return transformers.AutoModel


def _failure(name: str, error: Exception) -> SuppleError:
    if "torchvision" in str(error) or "torchvision" in str(error.__cause__):
        return load_failure("transformers", error)
    return SuppleError(f'The transformers model "{name}" cannot be loaded: {first_line(error)}')
