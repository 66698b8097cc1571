"""A searcher that begins where the allocator ends: its allocations are the first members that it breeds from."""

from supple.searching.history import History
from supple.searching.searcher import Searcher
from supple.searching.searchers.allocator import Allocator
from supple.space import Config


class Seeded(Searcher):
    """Lets the allocator propose `members` members, those of its tables not counted, and another searcher the rest."""

    def __init__(self, allocator: Allocator, searcher: Searcher, members: int) -> None:
        super().__init__(searcher.problem, searcher.seed)
        self._allocator = allocator
        self._searcher = searcher
        # The corners come before: of the tables, the full network is one of them.
        self._until = allocator.least + 1 + members
        self.together = searcher.together

    @property
    def least(self) -> int:
        """The number of members that the allocator's tables take."""
        return self._allocator.least

    def propose(self, history: History) -> Config:
        """Return the proposal of the one whose turn it is."""
        return self._turn(history).propose(history)

    def remarks(self, history: History) -> tuple[str, ...]:
        """Return what both have to tell."""
        return (*self._allocator.remarks(history), *self._searcher.remarks(history))

    def spent(self, history: History) -> float:
        """Return what the other searcher has spent besides."""
        return self._searcher.spent(history)

    def _turn(self, history: History) -> Searcher:
        return self._allocator if self.number(history) < self._until else self._searcher
