"""Find the operators of a member among those of the whole network: the member lacks blocks, and so what goes with them.

A loop over blocks may do things of its own with each block's result (`x = x + block(x)`), and code behind the loop runs
whatever the blocks are. Both follow the last block; which of them goes with it shows in a run without that block.
"""

from collections.abc import Iterator, Sequence, Set
from itertools import takewhile

from supple.cost.recording import Call, Operator

Item = Operator | Call


class MisalignedError(Exception):
    """A member runs something that the whole network does not."""


class Alignment:
    """Which operator of a member stands for which of the whole network; made from the two runs.

    `blocks` are the paths of all modules that members may lack, `dropped` those that this one lacks. `found` maps each
    operator of the whole network that the member has to the member's. `staying` are the operators and calls that follow
    a block directly, and run without it too. Raises `MisalignedError`.
    """

    def __init__(self, whole: Call, member: Call, blocks: Set[str], dropped: Set[str]) -> None:
        self.found: dict[Operator, Operator] = {}
        self.staying: set[Item] = set()
        self._blocks = blocks
        self._dropped = dropped
        self._align(whole, member)

    def _align(self, whole: Call, member: Call) -> None:
        left = list(segments(whole, self._blocks))
        for block, items in segments(member, self._blocks):
            if not left or (block is None) != (left[0][0] is None):
                raise MisalignedError(member.name)
            whole_block, own = left.pop(0)
            if block is not None and whole_block is not None:
                if block.name != whole_block.name:
                    raise MisalignedError(block.name)
                self._align(whole_block, block)
            later: list[Item] = []
            while left and left[0][0] is not None and left[0][0].name in self._dropped:
                later.extend(left.pop(0)[1])
            self._match(own, later, items)
        if left:
            raise MisalignedError(member.name)

    def _match(self, own: Sequence[Item], later: Sequence[Item], items: Sequence[Item]) -> None:
        """Match what the member does with what follows the same block, and then with what follows those it lacks."""
        same = takewhile(lambda pair: pair[0].name == pair[1].name, zip(own, items, strict=False))
        pairs = list(same)
        left = [*own[len(pairs) :], *later]
        for item in reversed(items[len(pairs) :]):
            while left and left[-1].name != item.name:
                left.pop()
            if not left:
                raise MisalignedError(item.name)
            pairs.append((left.pop(), item))
        after_dropped = set(later)
        for one, other in pairs:
            if one in after_dropped:
                self.staying.add(one)
            if isinstance(one, Operator) and isinstance(other, Operator):
                self.found[one] = other
            elif isinstance(one, Call) and isinstance(other, Call):
                self._align(one, other)


def segments(call: Call, blocks: Set[str]) -> Iterator[tuple[Call | None, list[Item]]]:
    """Yield each block that a call runs, None at its start, with what the call does until the next one.

    The sums of options are left out: no member has them.
    """
    block: Call | None = None
    items: list[Item] = []
    for item in call.items:
        if isinstance(item, Call) and item.name in blocks:
            yield block, items
            block, items = item, []
        elif isinstance(item, Call) or item.adds_option is None:
            items.append(item)
    yield block, items
