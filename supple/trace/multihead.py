"""PyTorch's own multi-head attention, which works out the size of a head from the width of its input.

Its heads can therefore shrink only together with the residual stream: that has as many parts as there are heads.
"""

from torch import nn

from supple.trace.axes import HEAD_SIZE
from supple.trace.capture import first_keys
from supple.trace.propagation import Propagation
from supple.trace.reparametrized import weight_key

REASON = "nn.MultiheadAttention takes the size of a head from the width of its input"


def bind_multihead_attention(model: nn.Module, propagation: Propagation) -> None:
    """Say of every `nn.MultiheadAttention` that its width is its number of heads times their size."""
    keys = first_keys(model)
    for path, module in model.named_modules():
        if isinstance(module, nn.Transformer) and isinstance(module.encoder, nn.TransformerEncoder):
            (width,) = propagation.tensors[keys[f"{path}.encoder.layers.0.norm1.weight".lstrip(".")]]
            propagation.module_attributes[path, "d_model"] = width
        if not isinstance(module, nn.MultiheadAttention):
            continue
        prefix = f"{path}." if path else ""
        stream, inner = propagation.tensors[keys[weight_key(f"{prefix}out_proj", module.out_proj)]]
        heads = propagation.fresh(module.num_heads)
        of_heads = ((*heads[0], *propagation.fresh(module.head_dim, HEAD_SIZE)[0]),)
        propagation.labels.unify(inner, of_heads, REASON)
        propagation.labels.unify(stream, of_heads, REASON)
        propagation.note_heads([heads])
        propagation.module_attributes[path, "num_heads"] = heads
        propagation.module_attributes[path, "embed_dim"] = stream
        for name, weight in (("kdim", "k_proj_weight"), ("vdim", "v_proj_weight")):
            # One matrix for queries, keys and values where all have the same width.
            key = keys.get(prefix + weight)
            propagation.module_attributes[path, name] = stream if key is None else propagation.tensors[key][1]
