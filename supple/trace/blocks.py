"""Find the blocks that a network works without: children of a container whose output could be their input.

A block can be dropped where its one output has the label of its first input that fits, axis by axis: what comes
after it then finds what it expects. A residual block is such a block, because its sum ties its output to its input; a
plain convolution is not.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from torch import fx, nn

from supple.space import Kind
from supple.trace.axes import SIDE_BY_SIDE, Expression
from supple.trace.capture import module_paths, output_shapes
from supple.trace.choice import Choice, find_choices
from supple.trace.propagation import Propagation


@dataclass(frozen=True)
class Run:
    """Consecutive blocks of one container that can be dropped from the last one on.

    Where `axis` is given, the blocks are experts, whose results lie side by side along that axis. Otherwise `before`
    holds the block of the same class that stands right before the run and cannot be dropped (the one that
    changes the resolution, as a rule), or nothing: it counts as part of the stage's depth.
    """

    container: str
    before: tuple[str, ...]
    blocks: tuple[str, ...]
    smallest: int = 1
    axis: Expression | None = None

    @property
    def kind(self) -> Kind:
        """What the number of the blocks is."""
        return Kind.DEPTH if self.axis is None else Kind.EXPERT

    @property
    def stage(self) -> tuple[str, ...]:
        """All blocks of the stage."""
        return self.before + self.blocks

    @property
    def values(self) -> tuple[int, ...]:
        """The depths that the run allows, or the numbers of experts."""
        return tuple(range(self.smallest, len(self.stage) + 1))

    def at_least(self, block: str) -> int:
        """Return the smallest depth at which the block is present."""
        return self.stage.index(block) + 1


def find_runs(model: nn.Module, graph: fx.Graph, propagation: Propagation) -> list[Run]:
    """Return the runs of droppable blocks among the children of every module, the outermost modules first."""
    regions = _regions(graph)
    calls = _paths_called_once(model, graph)
    experts = _experts(model, regions, calls, propagation)
    options = {f"{place.path}.options".lstrip(".") for place in find_choices(model)}
    runs: list[Run] = []
    for path, container in model.named_modules():
        if path in experts:
            runs.append(experts[path])
        if path in experts or path in options:
            continue
        # Not named_children(), which leaves out what stands there twice.
        children = [
            (f"{path}.{name}" if path else name, child)
            for name, child in container._modules.items()
            if child is not None
        ]
        droppable = [
            child_path in calls
            # A choice leaves itself out where it may: by an option that does nothing.
            and not isinstance(child, Choice)
            and _is_droppable(regions[child_path], propagation)
            and not (number and _goes_past(regions.get(children[number - 1][0], []), regions[child_path]))
            for number, (child_path, child) in enumerate(children)
        ]
        runs.extend(_runs_of(path, children, droppable))
    return runs


def streams_of(runs: list[Run], graph: fx.Graph, propagation: Propagation) -> list[tuple[Expression, ...]]:
    """Return the labels of the tensors that the blocks of each run hand on to each other."""
    regions = _regions(graph)
    return [propagation.axes(_outputs(regions[run.blocks[0]])[0]) for run in runs if run.axis is None]


def _experts(
    model: nn.Module, regions: dict[str, list[fx.Node]], calls: set[str], propagation: Propagation
) -> dict[str, Run]:
    """Return, by container, the runs of experts; fix the axes along which other results lie side by side."""
    runs: dict[str, Run] = {}
    for container, results, axis in propagation.side_by_side:
        children = [f"{container}.{number}" if container else str(number) for number in range(len(results))]
        are_experts = (
            isinstance(found := model.get_submodule(container), nn.ModuleList)
            and len(found) == len(children)
            and calls.issuperset(children)
            and all(_outputs(regions[child]) == [result] for child, result in zip(children, results, strict=True))
        )
        counted = propagation.labels.free_range(axis)
        if are_experts and counted is not None:
            # A quarter of them stays, and as many as the router chooses.
            smallest = max(-(-counted.size // 4), counted.smallest)
            runs[container] = Run(container, (), tuple(children), smallest, axis)
        else:
            propagation.fix(axis, SIDE_BY_SIDE)
    return runs


def _outputs(region: list[fx.Node]) -> list[fx.Node]:
    inside = set(region)
    return [node for node in region if any(user not in inside for user in node.users)]


def _runs_of(container: str, children: list[tuple[str, nn.Module]], droppable: list[bool]) -> Iterator[Run]:
    start = 0
    while start < len(children):
        end = start
        # Blocks of one class make a stage; a block of another class begins a new one.
        while end < len(children) and droppable[end] and _same_class(children, start, end):
            end += 1
        if end > start:
            has_head = start > 0 and not droppable[start - 1] and _same_class(children, start - 1, start)
            paths = [path for path, _ in children]
            run = Run(container, tuple(paths[start - has_head : start]), tuple(paths[start:end]))
            if len(run.values) > 1 and _has_matrix(children[start][1]):
                yield run
        start = max(end, start + 1)


def _has_matrix(block: nn.Module) -> bool:
    """Say whether a block does more than to scale and shift, as a bare norm does."""
    return any(sum(size > 1 for size in parameter.shape) > 1 for parameter in block.parameters())


def _same_class(children: list[tuple[str, nn.Module]], one: int, other: int) -> bool:
    return type(children[one][1]) is type(children[other][1])


def _regions(graph: fx.Graph) -> dict[str, list[fx.Node]]:
    regions: dict[str, list[fx.Node]] = {}
    for node in graph.nodes:
        if node.op == "call_function":
            for path in module_paths(node):
                regions.setdefault(path, []).append(node)
    return regions


def _paths_called_once(model: nn.Module, graph: fx.Graph) -> set[str]:
    """Return the paths of the modules that run exactly once and stand in one place only."""
    calls: dict[str, set[str]] = {}
    for node in graph.nodes:
        # One key for each call of a module, all with the same path.
        for key, (path, _) in node.meta.get("nn_module_stack", {}).items():
            calls.setdefault(path, set()).add(key)
    places = Counter(module for _, module in model.named_modules(remove_duplicate=False))
    return {path for path, keys in calls.items() if len(keys) == 1 and places[model.get_submodule(path)] == 1}


def _goes_past(one: list[fx.Node], following: list[fx.Node]) -> bool:
    """Say whether a block's one output goes into the block that follows it and also past it, to the model's output.

    Then the code counts on both: it joins the results of all blocks, say.
    """
    outputs = _outputs(one)
    if len(outputs) != 1:
        return False
    inside = set(following)
    reached: set[fx.Node] = set()
    waiting = list(outputs[0].users)
    while waiting:
        node = waiting.pop()
        if node not in reached:
            reached.add(node)
            # Inside the following block nothing is followed further.
            waiting.extend(node.users if node not in inside else ())
    return not reached.isdisjoint(inside) and any(node.op == "output" for node in reached)


def _is_droppable(region: list[fx.Node], propagation: Propagation) -> bool:
    inside = set(region)
    outputs = _outputs(region)
    if len(outputs) != 1 or len(output_shapes(outputs[0])) != 1:
        return False
    output_axes = propagation.axes(outputs[0])
    for node in region:
        for source in node.all_input_nodes:
            if source in inside or source.op == "get_attr" or not propagation.has_axes(source):
                continue
            if source.op == "placeholder" and propagation.is_parameter(source):
                continue
            axes = propagation.axes(source)
            return len(axes) == len(output_axes) and all(
                propagation.labels.same(one, other) for one, other in zip(axes, output_axes, strict=True)
            )
    return False
