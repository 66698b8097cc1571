"""The catalogue of zero-cost scores: what guesses how good a member is from one small batch, or from its shape alone.

A search of a space without networks reads settings that name them, so what needs PyTorch is imported when it is used.
"""

from typing import assert_never

from supple.searching.zero_cost.score import ScoreName, ZeroCostScore


def score_of(name: ScoreName) -> ZeroCostScore:
    """Return the score of that name."""
    match name:
        case ScoreName.PARAMETERS:
            from supple.searching.zero_cost.parameters import parameters as found
        case ScoreName.MACS:
            from supple.searching.zero_cost.macs import macs as found
        case ScoreName.GRADSIGN:
            from supple.searching.zero_cost.gradsign import gradsign as found
        case ScoreName.SYNFLOW:
            from supple.searching.zero_cost.synflow import synflow as found
        case ScoreName.JACOBIAN:
            from supple.searching.zero_cost.jacobian import jacobian as found
        case _:
            assert_never(name)
    return found


__all__ = ["ScoreName", "ZeroCostScore", "score_of"]
