"""Labels of tensor axes, and their unification: which axes of a network must have the same size, and in what order.

The label of an axis is an **expression**: segments one after another (a concatenation), each a product of **atoms**
from the outermost to the innermost (`heads x head_size`); a segment of one index is the empty product. An atom is a
range of indices that nothing is known about yet. Operators force expressions to be equal; `Labels.unify` then merges
their atoms, or refines an atom into an expression of smaller ones. What can be neither merged nor refined is fixed,
with the reason.
"""

import math
from collections import Counter
from dataclasses import dataclass, field

KERNEL = "the size of a kernel"
POSITION = "a position in space"
MULTIPLIER = "a channel multiplier"
GROUPS = "a number of groups"
REPEATS = "a number of repeats"
HEAD_SIZE = "the size of a head"
REPEATED = "it is repeated along another axis"
INPUT = "it is an input of the model"
OUTPUT = "it is an output of the model"
ONE_BY_ONE = "its entries are used one by one"
CHOSEN = "a fixed number of its entries is chosen"
LOOKED_UP = "its entries are looked up by index"
SIDE_BY_SIDE = "tensors lie side by side along it"
UNUSED = "the forward pass in eval mode does not use it"

CONSTANT_BY_NATURE = frozenset(
    {KERNEL, POSITION, MULTIPLIER, GROUPS, REPEATS, ONE_BY_ONE, CHOSEN, HEAD_SIZE, INPUT, OUTPUT, LOOKED_UP}
)
"""Reasons that need no mention in a summary: nobody expects these axes to shrink."""


@dataclass(eq=False)
class Atom:
    """A range of indices.

    `fixed` says why it cannot shrink, `smallest` how far it can; `refined` holds the expression that it turned out to
    be.
    """

    size: int
    fixed: str | None = None
    smallest: int = 1
    merged_into: "Atom | None" = field(default=None, repr=False)
    refined: "Expression | None" = field(default=None, repr=False)


Product = tuple[Atom, ...]
Expression = tuple[Product, ...]


def product_size(product: Product) -> int:
    """Return the number of indices of one segment."""
    return math.prod(atom.size for atom in product)


def expression_size(expression: Expression) -> int:
    """Return the number of indices of an axis with this label."""
    return sum(product_size(product) for product in expression)


def _polynomial(expression: Expression) -> Counter[tuple[int, ...]]:
    """Return the size as a polynomial of the atoms that can shrink: the coefficient of each of their products."""
    terms: Counter[tuple[int, ...]] = Counter()
    for product in expression:
        free = tuple(sorted(id(atom) for atom in product if atom.fixed is None))
        terms[free] += math.prod(atom.size for atom in product if atom.fixed is not None)
    return terms


class Labels:
    """Makes, resolves, unifies and fixes the labels of one graph's axes."""

    def __init__(self) -> None:
        self._collapsed: dict[Expression, Atom] = {}

    def fresh(self, size: int, fixed: str | None = None) -> Expression:
        """Return a new label of one atom."""
        return ((Atom(size, fixed),),)

    def resolve(self, expression: Expression) -> Expression:
        """Return the label in atoms that are neither merged nor refined, without atoms of size 1 and empty segments."""
        return tuple(product for segment in expression for product in self._resolve_product(segment))

    def is_fixed(self, expression: Expression) -> bool:
        """Say whether nothing of the axis can shrink."""
        return all(atom.fixed is not None for product in self.resolve(expression) for atom in product)

    def free_range(self, expression: Expression) -> Atom | None:
        """Return the atom that the label is, where it is a single one that can shrink."""
        atoms = [atom for product in self.resolve(expression) for atom in product]
        return atoms[0] if len(atoms) == 1 and atoms[0].fixed is None else None

    def fix(self, expression: Expression, reason: str) -> None:
        """Forbid every atom of the label to shrink; the first reason stays."""
        for product in self.resolve(expression):
            for atom in product:
                atom.fixed = atom.fixed or reason

    def keep_at_least(self, expression: Expression, smallest: int, reason: str) -> None:
        """Forbid the axis to shrink below a size; one that is more than a plain range is fixed, for the reason."""
        resolved = self.resolve(expression)
        if len(resolved) == 1 and len(resolved[0]) == 1:
            resolved[0][0].smallest = max(resolved[0][0].smallest, smallest)
        else:
            self.fix(expression, reason)

    def same_size(self, one: Expression, other: Expression) -> bool:
        """Say whether axes with these labels have the same size whatever shrinks, though perhaps in another order."""
        return _polynomial(self.resolve(one)) == _polynomial(self.resolve(other))

    def same(self, one: Expression, other: Expression) -> bool:
        """Say whether the labels are known to be equal."""
        return self.resolve(one) == self.resolve(other)

    def unify(self, one: Expression, other: Expression, reason: str) -> None:
        """Make two labels equal. Where that is impossible, fix both for the given reason."""
        # This ends: each step merges two atoms, or cuts one into smaller ones (none of them empty).
        while True:
            one, other = self.resolve(one), self.resolve(other)
            if one == other:
                return
            if expression_size(one) != expression_size(other) or not self._unify_one_step(one, other):
                break
        fixed = one if self.is_fixed(one) else other if self.is_fixed(other) else ()
        # Where one of them cannot shrink anyway, its own reason says more.
        cause = next((atom.fixed for product in fixed for atom in product), None) or reason
        self.fix(one, cause)
        self.fix(other, cause)

    def _unify_one_step(self, one: Expression, other: Expression) -> bool:
        """Merge or refine one pair of atoms; say whether that was possible."""
        for left, right in zip(one, other, strict=False):
            if left == right:
                continue
            if product_size(left) == product_size(right):
                return self._unify_products(left, right)
            if product_size(left) > product_size(right):
                return self._cut(left, product_size(right))
            return self._cut(right, product_size(left))
        return False

    def _unify_products(self, left: Product, right: Product) -> bool:
        while left and right and left[-1] is right[-1]:
            left, right = left[:-1], right[:-1]
        while left and right and left[0] is right[0]:
            left, right = left[1:], right[1:]
        if not left or not right:
            return False
        if len(left) == 1 or len(right) == 1:
            whole, parts = (left[0], right) if len(left) == 1 else (right[0], left)
            return self._merge(whole, parts[0]) if len(parts) == 1 else self._refine(whole, (parts,))
        for inner in (True, False):
            one, other = (left[-1], right[-1]) if inner else (left[0], right[0])
            if one.size == other.size:
                return self._merge(one, other)
            larger, smaller = (one, other) if one.size > other.size else (other, one)
            if larger.size % smaller.size == 0:
                outer, rest = larger.size // smaller.size, smaller.size
                sizes = (outer, rest) if inner else (rest, outer)
                return self._refine(larger, (tuple(Atom(size, larger.fixed) for size in sizes),))
        return False

    def _cut(self, product: Product, head: int) -> bool:
        """Refine the outermost atom of a segment into two, so that a segment of size `head` comes first."""
        outer, inner = product[0], product_size(product[1:])
        if head % inner:
            return False
        sizes = (head // inner, outer.size - head // inner)
        return self._refine(outer, tuple((Atom(size, outer.fixed),) for size in sizes))

    def _merge(self, one: Atom, other: Atom) -> bool:
        one.fixed = one.fixed or other.fixed
        one.smallest = max(one.smallest, other.smallest)
        other.merged_into = one
        return True

    def _refine(self, atom: Atom, expression: Expression) -> bool:
        if atom.fixed is not None:
            # What equals a fixed range is fixed as a whole.
            self.fix(expression, atom.fixed)
        if atom.smallest > 1:
            self.fix(expression, CHOSEN)
        atom.refined = expression
        return True

    def _resolve_product(self, product: Product) -> Expression:
        """Resolve one segment: (a + b) x c becomes a x c + b x c; a x (b + c) is unrolled over a fixed a."""
        if product_size(product) == 0:
            return ()
        result: Expression = ((),)
        for atom in reversed(product):
            outer = self._resolve_atom(atom)
            if len(result) == 1:
                result = tuple((*head, *result[0]) for head in outer)
            elif outer != ((),) and self.is_fixed(outer):
                result = result * expression_size(outer)
            elif outer != ((),):
                # heads x (keys + values): each index of the outer range carries the whole concatenation along.
                self.fix(result, REPEATED)
                inner = self._collapse(result)
                result = tuple((*head, *inner) for head in outer)
        return result

    def _collapse(self, concatenation: Expression) -> Product:
        """Return what stands for a fixed concatenation inside a product: always the same for the same one."""
        seen: set[Expression] = set()
        while concatenation in self._collapsed and concatenation not in seen:
            seen.add(concatenation)
            resolved = self._resolve_atom(self._collapsed[concatenation])
            if len(resolved) == 1:
                return resolved[0]
            concatenation = resolved
        # None stands for it yet, or that one has been cut into the same segments: what is resolved is never refined.
        self._collapsed[concatenation] = Atom(expression_size(concatenation), REPEATED)
        return (self._collapsed[concatenation],)

    def _resolve_atom(self, atom: Atom) -> Expression:
        while atom.merged_into is not None:
            atom = atom.merged_into
        if atom.refined is not None:
            return self.resolve(atom.refined)
        return ((atom,),) if atom.size != 1 else ((),)
