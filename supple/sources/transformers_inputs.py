"""What the models of transformers take: read from their forward's arguments and their configs."""

import inspect
from typing import Any

from supple.sources.inputs import InputSpec

TEXT_LENGTH = 16
AUDIO_SAMPLES = 16_000  # one second at the usual rate


def model_inputs(model: Any) -> tuple[InputSpec, ...]:
    """Return the inputs that a forward pass needs; nothing where they are not known."""
    accepted = inspect.signature(model.forward).parameters
    found = (known(name, model.config) for name, known in _KNOWN.items() if name in accepted)
    specs = tuple(spec for spec in found if spec is not None)
    return specs if any(spec.name == model.main_input_name for spec in specs) else ()


def model_constants(model: Any) -> dict[str, bool]:
    """Return the arguments of a plain forward pass: the keys and values of attention are not kept for a next one."""
    return {"use_cache": False} if "use_cache" in inspect.signature(model.forward).parameters else {}


def _text(name: str, config: Any) -> InputSpec | None:
    text = config.get_text_config(decoder=name.startswith("decoder") or None)
    vocabulary = getattr(text, "vocab_size", None)
    longest = getattr(text, "max_position_embeddings", None) or TEXT_LENGTH
    return None if vocabulary is None else InputSpec(name, (min(TEXT_LENGTH, longest),), "int64", vocabulary)


def _image(name: str, config: Any) -> InputSpec | None:
    if any(hasattr(config, token) for token in _IMAGE_TOKENS):
        return None  # The text would have to hold as many tokens of images; text alone is a whole input.
    vision = getattr(config, "vision_config", config)
    size = getattr(vision, "image_size", None)
    if size is None:
        return None
    height, width = (size, size) if isinstance(size, int) else size
    return InputSpec(name, (getattr(vision, "num_channels", 3), height, width))


def _spectrogram(name: str, config: Any) -> InputSpec | None:
    audio = getattr(config, "audio_config", config)
    bins, positions = getattr(audio, "num_mel_bins", None), getattr(audio, "max_source_positions", None)
    # Whisper's second convolution halves the frames.
    return None if bins is None or positions is None else InputSpec(name, (bins, 2 * positions))


def _samples(name: str, config: Any) -> InputSpec:
    return InputSpec(name, (AUDIO_SAMPLES,))


_KNOWN = {
    "input_ids": _text,
    "pixel_values": _image,
    "input_features": _spectrogram,
    "input_values": _samples,
    "decoder_input_ids": _text,
}
_IMAGE_TOKENS = ("image_token_id", "image_token_index")
