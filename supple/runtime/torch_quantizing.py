"""A member's precision in a PyTorch graph: stored weights, and operators that round what layers take and give.

int8 has the form that torchao's PT2E flow ends with, which backends of PyTorch fuse into integer operators, and weights
alone that of its weight-only flow: they become float32 before a layer multiplies. There, scales come from observers;
here they are those of the grids that imitate the same in PyTorch, so both compute the same.
"""

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import fx, nn

from supple.family.quantized.quantizers import RoundInput, without_precision
from supple.runtime.torch_export import exported_program
from supple.runtime.torch_layers import DEQUANTIZE, QUANTIZE, replaced
from supple.trace import ModelInputs
from supple.trace.silence import silenced


def quantized_program(
    member: nn.Module, precisions: Mapping[str, RoundInput], inputs: ModelInputs, integers: torch.dtype
) -> torch.export.ExportedProgram:
    """Return a member that was taken out as a program whose layers compute in their formats.

    int8 layers hold weights of int8 and take `integers`, int8 or uint8; those of 16 bits take, multiply and give such
    floats; others hold weights in their format and multiply float32. `precisions` are those of the layers, by module
    path. Raises `SuppleError` where the member cannot be exported, for int8-dynamic layers, and for one without
    calibrated ranges.
    """
    module = without_precision(member)
    replacements: dict[nn.Module, nn.Module] = {}
    for path, precision in precisions.items():
        layer = module.get_submodule(path)
        norm = module.get_submodule(precision.layer.output) if precision.layer.output != path else None
        replacements[layer], behind = replaced(layer, norm, precision, integers)
        if norm is not None and behind is not None:
            replacements[norm] = behind
    for parent in list(module.modules()):
        for name, child in parent._modules.items():
            if child in replacements:
                parent._modules[name] = replacements[child]
    # Without decompositions, this only makes operators that write into their inputs return what they wrote.
    with silenced():
        program: torch.export.ExportedProgram = exported_program(module, inputs).run_decompositions({})
    _simplify(program.graph_module.graph)
    program.graph_module.recompile()
    return program


def _simplify(graph: fx.Graph) -> None:
    """Remove what the rounding makes needless, and let each reader have its own dequantized value.

    Backends find an integer operator where what it reads is dequantized for it alone.
    """
    for node in list(graph.nodes):
        source = node.args[0] if node.args else None
        if not isinstance(source, fx.Node) or source.target is not DEQUANTIZE:
            continue
        if _is_cut_by(node, source):
            node.replace_all_uses_with(source)
        elif node.target is QUANTIZE and node.args[1:] == source.args[1:]:
            node.replace_all_uses_with(source.args[0])
    graph.eliminate_dead_code()
    for node in list(graph.nodes):
        if node.target is DEQUANTIZE:
            for reader in list(node.users)[1:]:
                with graph.inserting_before(reader):
                    own = graph.call_function(DEQUANTIZE, node.args)
                own.meta = dict(node.meta)
                reader.replace_input_with(node, own)


def _is_cut_by(node: fx.Node, dequantized: fx.Node) -> bool:
    """Say whether a node only cuts off what lies outside a range that a dequantized value keeps to anyway."""
    scale, zero_point, low, high = cast(tuple[float, int, int, int], dequantized.args[1:5])
    given = list(node.args[1:3])
    least: Any
    most: Any
    if node.target is torch.ops.aten.relu.default:
        least, most = 0.0, None
    elif node.target is torch.ops.aten.relu6.default:
        least, most = 0.0, 6.0
    elif node.target is torch.ops.aten.hardtanh.default:
        least, most = given + [-1.0, 1.0][len(given) :]
    elif node.target is torch.ops.aten.clamp.default:
        least, most = given + [None, None][len(given) :]
    else:
        return False
    slack = scale / 2
    return (least is None or (low - zero_point) * scale >= least - slack) and (
        most is None or (high - zero_point) * scale <= most + slack
    )
