"""Models of timm, by name."""

from pathlib import Path
from typing import Any

from supple.errors import SuppleError, nearest
from supple.sources.inputs import InputSpec
from supple.sources.model import NamedModel
from supple.sources.optional import import_source
from supple.storage import load_tensors

WEIGHTS_FILE = "model.safetensors"


def load_timm(name: str, pretrained: bool) -> NamedModel:
    """Return timm's model of this name, with its own weights where `pretrained`.

    Raises `SuppleError` where timm has no such model, or no weights of it as safetensors.
    """
    timm: Any = import_source("timm", f'The model "timm:{name}"')
    if not timm.is_model(name):
        raise SuppleError(f'timm has no model "{name}"{nearest(name, timm.list_models())}')
    # As a state dict: a file of any other kind would be unpickled.
    overlay = {"state_dict": load_tensors(_downloaded(timm, name))} if pretrained else None
    try:
        model = timm.create_model(name, pretrained=pretrained, pretrained_cfg_overlay=overlay)
    except Exception as error:  # whatever timm raises while it builds the model
        raise SuppleError(f"timm cannot make {name}: {' '.join(str(error).split())}") from error
    return NamedModel(model, (InputSpec(None, tuple(model.pretrained_cfg["input_size"])),))


def _downloaded(timm: Any, name: str) -> Path:
    from huggingface_hub import hf_hub_download

    repository = timm.models.get_pretrained_cfg_value(name, "hf_hub_id")
    if not repository:
        raise SuppleError(f"timm has no weights of {name} as safetensors: give --weights FILE.safetensors.")
    try:
        return Path(hf_hub_download(repository, WEIGHTS_FILE))
    except Exception as error:  # offline, not found, no permission: each has a class of its own
        reason = " ".join(str(error).split())
        raise SuppleError(f'The weights of {name} cannot be fetched from "{repository}": {reason}') from error
