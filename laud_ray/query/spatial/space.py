"""The space of a pool. Pure NumPy."""

from laud_ray.types import Candidates, QueryStrategy, Space, SpatialStrategy


def reach(strategy: QueryStrategy) -> int:
    """How many candidates a strategy wants for each document of a batch; 0 if it needs no space."""
    return strategy.reach if isinstance(strategy, SpatialStrategy) else 0


def committee(strategy: QueryStrategy) -> int:
    """How many models of the last rounds must have their say; 0 for none."""
    return strategy.committee if isinstance(strategy, SpatialStrategy) else 0


def require_space(pool: Candidates, strategy: object) -> Space:
    """Return the space that a strategy needs.

    Raises:
        ValueError: if the pool has no space, or one of another size.
    """
    name = type(strategy).__name__
    if pool.space is None:
        raise ValueError(f"the pool has no space, but {name} looks at where its candidates lie")
    if len(pool.space.vectors) != len(pool):
        raise ValueError(f"the space has {len(pool.space.vectors)} candidates, the pool holds {len(pool)}")
    return pool.space
