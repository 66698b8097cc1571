"""Axis propagation: walk the captured graph once and label every axis of every tensor.

Each operator has a rule (`supple.trace.rules`), which reads the labels of its inputs, unifies what the operator forces
to be equal, and returns the labels of its outputs. An operator without a rule fixes all that it touches.
"""

from collections.abc import Iterable, Set
from typing import Any, NamedTuple

from torch import fx
from torch._ops import OpOverload

from supple.trace.axes import INPUT, OUTPUT, SIDE_BY_SIDE, UNUSED, Expression, Labels, expression_size
from supple.trace.capture import Captured, container_of, module_path, output_shapes
from supple.trace.rules import rule_for
from supple.trace.rules.indexing import CARRIERS
from supple.trace.structure import Frozen

Axes = tuple[Expression, ...]


class SideBySide(NamedTuple):
    """Results of the children of a container, laid side by side along a new axis."""

    container: str
    results: tuple[fx.Node, ...]
    axis: Expression


class Propagation:
    """The labels of one graph. Rules call `axes`, `argument`, `fresh`, `unify`, `fix` and `set_attribute`.

    `sized` holds the (node, axis) whose sizes in the user's code come from attributes or from other tensors: they need
    not stay as they are; `made_axes` holds the labels of those that operators make from nothing but such a size.
    `module_attributes` holds, by module path and name, what rules say of the attributes of modules.
    """

    def __init__(self, captured: Captured, sized: Set[tuple[fx.Node, int]] = frozenset()) -> None:
        self.labels = Labels()
        self._sized = sized
        self.made_axes: dict[tuple[fx.Node, int], Expression] = {}
        self.tensors: dict[str, Axes] = {}
        self.module_attributes: dict[tuple[str, str], Expression] = {}
        self.heads: list[Expression] = []
        self.routed: list[Expression] = []
        self.stacks: list[Expression] = []
        self.side_by_side: list[SideBySide] = []
        self.frozen: dict[str, Frozen] = {}
        self._ranges: dict[tuple[fx.Node, int], Expression] = {}
        self._parameters: set[fx.Node] = set()
        self._outputs: dict[fx.Node, list[Axes]] = {}
        for node in captured.graph.nodes:
            if node.op == "placeholder":
                self._outputs[node] = [self._placeholder_axes(node, captured)]
            elif node.op == "call_function":
                self._outputs[node] = self._apply(node)
            elif node.op == "output":
                self._fix_outputs(node)
        used = {captured.tensors[node.name] for node in self._parameters if node.users}
        for key, axes in self.tensors.items():
            if key not in used:
                for expression in axes:
                    self.fix(expression, UNUSED)

    def fix_broken_labels(self) -> None:
        """Fix the axes of parameters and buffers whose labels came out with another size: a mistake in some rule."""
        for key, axes in self.tensors.items():
            for axis, label in enumerate(axes):
                if expression_size(self.labels.resolve(label)) != expression_size(label):
                    reason = "rules of operators contradict each other about its size"
                    what = f"{key}, axis {axis}"
                    self.frozen.setdefault(what, Frozen(what, reason))
                    self.fix(label, reason)
                    whole = self.fresh(expression_size(label), reason)
                    self.tensors[key] = (*self.tensors[key][:axis], whole, *self.tensors[key][axis + 1 :])

    def axes(self, node: Any, output: int = 0) -> Axes:
        """Return the labels of one output tensor of a node."""
        return self._outputs[node][output]

    def outputs(self, node: fx.Node) -> list[Axes]:
        """Return the labels of all output tensors of a node."""
        return self._outputs[node]

    def has_axes(self, node: Any) -> bool:
        """Say whether the node yields a tensor at all."""
        return isinstance(node, fx.Node) and bool(self._outputs.get(node))

    def is_parameter(self, node: fx.Node) -> bool:
        """Say whether the node stands for a parameter or buffer."""
        return node in self._parameters

    def argument(self, node: fx.Node, name: str) -> Any:
        """Return an argument of an operator by the name that its schema gives it."""
        schema = node.target._schema  # type: ignore[union-attr]
        for position, parameter in enumerate(schema.arguments):
            if parameter.name == name:
                if position < len(node.args):
                    return node.args[position]
                return node.kwargs.get(name, parameter.default_value if parameter.has_default_value() else None)
        raise KeyError(f"{node.target} has no argument {name}")

    def has_argument(self, node: fx.Node, name: str) -> bool:
        """Say whether this form of an operator takes the argument."""
        return any(parameter.name == name for parameter in node.target._schema.arguments)  # type: ignore[union-attr]

    def fresh(self, size: int, fixed: str | None = None) -> Expression:
        """Return a new label."""
        return self.labels.fresh(size, fixed)

    def make(self, node: fx.Node, reason: str) -> Axes:
        """Return new labels of a tensor that the code names the sizes of: fixed where those are plain numbers."""
        made = []
        for axis, size in enumerate(output_shapes(node)[0]):
            made.append(self.fresh(size, None if (node, axis) in self._sized else reason))
            self.made_axes[node, axis] = made[-1]
        return tuple(made)

    def unify(self, one: Expression, other: Expression, node: fx.Node) -> None:
        """Make two labels equal, because of this node."""
        self.labels.unify(one, other, f"{node.target} joins axes that do not fit together")

    def fix(self, expression: Expression, reason: str) -> None:
        """Forbid an axis to shrink."""
        self.labels.fix(expression, reason)

    def note_heads(self, batch_axes: Iterable[Expression]) -> None:
        """Say that attention or a product of stacked matrices runs over these axes side by side."""
        self.heads.extend(batch_axes)

    def lay_side_by_side(self, nodes: list[fx.Node]) -> Expression:
        """Return the label of a new axis with one entry for each node; fixed unless the nodes are those of blocks."""
        container = container_of(nodes) if len(nodes) > 1 else None
        axis = self.fresh(len(nodes), SIDE_BY_SIDE if container is None else None)
        if container is not None:
            self.side_by_side.append(SideBySide(container, tuple(nodes), axis))
        return axis

    def note_routed(self, axis: Expression) -> None:
        """Say that the entries of this axis compete: a softmax runs along it, or the best of them are chosen."""
        self.routed.append(axis)

    def note_stack(self, axis: Expression) -> None:
        """Say that this axis counts matrices of parameters that are laid side by side."""
        self.stacks.append(axis)

    def note_range(self, node: fx.Node, output: int, axis: Expression) -> None:
        """Say that an output holds indices of this axis, found by a search along it: in a member they are smaller."""
        self._ranges[node, output] = axis

    def range_of(self, node: fx.Node, output: int = 0) -> Expression | None:
        """Return the axis that the entries of an output are indices of, where that is known."""
        return self._ranges.get((node, output))

    def set_attribute(self, node: fx.Node, name: str, expression: Expression) -> None:
        """Say that an attribute of the module that the node lies in is the size of an axis."""
        self.module_attributes[module_path(node), name] = expression

    def _placeholder_axes(self, node: fx.Node, captured: Captured) -> Axes:
        shapes = output_shapes(node)
        if not shapes:
            return ()
        if node.name in captured.inputs:
            return tuple(self.fresh(size, INPUT) for size in shapes[0])
        self._parameters.add(node)
        key = captured.tensors[node.name]
        if key not in self.tensors:
            self.tensors[key] = tuple(self.fresh(size) for size in shapes[0])
        return self.tensors[key]

    def _apply(self, node: fx.Node) -> list[Axes]:
        shapes = output_shapes(node)
        if not shapes:  # an assertion, or arithmetic on sizes
            return []
        rule = rule_for(node.target)
        outputs: list[Axes] | None = None
        if rule is None:
            self._note_unknown(node, "no rule for this operator")
        else:
            try:
                outputs = rule(self, node)
            except Exception as error:  # a rule must never make a conversion fail: what it cannot read is frozen
                self._note_unknown(node, f"its rule does not cover this form ({type(error).__name__}: {error})")
        if outputs is None or [tuple(map(expression_size, axes)) for axes in outputs] != shapes:
            if outputs is not None:
                self._note_unknown(node, "its rule does not cover this form")
            reason = f"operator {node.target} has no rule for it"
            self._fix_all(node, reason)
            return [tuple(self.fresh(size, reason) for size in shape) for shape in shapes]
        if isinstance(node.target, OpOverload) and node.target._opname in CARRIERS:
            searched = self.range_of(node.args[0])  # type: ignore[arg-type]
            for output in range(len(outputs) if searched is not None else 0):
                self._ranges[node, output] = searched  # type: ignore[assignment]
        return outputs

    def _note_unknown(self, node: fx.Node, reason: str) -> None:
        self.frozen.setdefault(str(node.target), Frozen(f"operator {node.target}", reason))

    def _fix_all(self, node: fx.Node, reason: str) -> None:
        for argument in node.all_input_nodes:
            self._fix_axes(argument, reason)

    def _fix_axes(self, node: fx.Node, reason: str) -> None:
        for axes in self._outputs.get(node, []):
            for expression in axes:
                self.fix(expression, reason)

    def _fix_outputs(self, node: fx.Node) -> None:
        """Fix the outputs of the model, except by-products: what its first output is computed from.

        Those are hidden states and caches, which follow the member.
        """
        outputs = [output for output in node.all_input_nodes if self.has_axes(output)]
        behind: set[fx.Node] = set()
        waiting = outputs[:1]
        while waiting:
            sources = set(waiting.pop().all_input_nodes) - behind
            behind |= sources
            waiting.extend(sources)
        for output in outputs:
            if output not in behind:
                self._fix_axes(output, OUTPUT)
