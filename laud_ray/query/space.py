"""The space of a pool, and parts of a pool. Pure NumPy."""

from laud_ray.types import Candidates, Indices, Space


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


def narrow(pool: Candidates, rows: Indices) -> Candidates:
    """Return the given rows of a pool, all criteria and its space with them."""
    chosen = rows.tolist()
    space = pool.space
    return Candidates(
        ids=[pool.ids[row] for row in chosen],
        texts=[pool.texts[row] for row in chosen],
        utility=pool.utility[rows],
        space=None
        if space is None
        else Space(
            vectors=space.vectors[rows],
            proba=space.proba[rows],
            known_vectors=space.known_vectors,
            known_proba=space.known_proba,
            known_labels=space.known_labels,
            committee=None if space.committee is None else space.committee[:, rows],
        ),
    )
