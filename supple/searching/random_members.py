"""Random search: every member of the space is equally likely. The baseline of every other search."""

import random

import optuna

from supple.searching.searcher import Searcher


class RandomMembers(Searcher):
    """Proposes members drawn uniformly from the space."""

    def propose(self, study: optuna.Study, number: int) -> optuna.Trial:
        """Draw a member; the draw depends on the seed and the number alone."""
        return self.propose_config(study, self.space.sample(random.Random(f"{self.seed}/{number}")))
