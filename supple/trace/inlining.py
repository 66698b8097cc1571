"""Inline the parts of a graph that the exporter sets apart: those under `torch.autocast` or `torch.no_grad`."""

import operator
from typing import Any

from torch import fx

WRAPPERS = frozenset({"wrap_with_autocast", "wrap_with_set_grad_enabled"})


def inlined(module: fx.GraphModule) -> fx.Graph:
    """Return the module's graph with the graphs that it wraps in the places where they run; it is changed."""
    graph = module.graph
    for node in list(graph.nodes):
        if node.op != "call_function" or str(node.target) not in WRAPPERS:
            continue
        position = next(index for index, argument in enumerate(node.args) if _is_graph(argument))
        wrapped = node.args[position]
        body = inlined(getattr(module, wrapped.target))
        inputs = [entry for entry in body.nodes if entry.op == "placeholder"]
        with graph.inserting_before(node):
            given: dict[fx.Node, Any] = dict(zip(inputs, node.args[position + 1 :], strict=True))
            outputs: Any = graph.graph_copy(body, given)
        for user in list(node.users):
            # The wrapper returns a tuple, which is taken apart at once.
            assert user.target is operator.getitem
            user.replace_all_uses_with(outputs[user.args[1]])
            graph.erase_node(user)
        graph.erase_node(node)
        if not wrapped.users:
            graph.erase_node(wrapped)
    return graph


def _is_graph(argument: object) -> bool:
    return isinstance(argument, fx.Node) and argument.op == "get_attr"
