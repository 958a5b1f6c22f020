"""What a query strategy needs of a pool's space: candidates, committee, vectors. Pure NumPy."""

from laud_ray.types import Candidates, QueryStrategy, Space, SpatialStrategy


def reach(strategy: QueryStrategy) -> int:
    """Return how many candidates a strategy needs for each document of a batch; 0 if it needs no space."""
    return strategy.reach if isinstance(strategy, SpatialStrategy) else 0


def committee(strategy: QueryStrategy) -> int:
    """Return how many models of the last rounds a strategy needs predictions from; 0 for none."""
    return strategy.committee if isinstance(strategy, SpatialStrategy) else 0


def require_space(pool: Candidates, strategy: object) -> Space:
    """Return the pool's space, for a strategy that needs one.

    Raises:
        ValueError: if the pool has no space, or the space and the pool differ in size.
    """
    name = type(strategy).__name__
    if pool.space is None:
        raise ValueError(f"the pool has no space; expected one, because {name} uses the candidates' vectors")
    if len(pool.space.vectors) != len(pool):
        raise ValueError(f"the space has {len(pool.space.vectors)} candidates; expected {len(pool)}, as the pool")
    return pool.space
