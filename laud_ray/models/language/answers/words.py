"""The words of labels as answers: how likely a language model would write each label out, if it may write only labels.

The token sequences of the labels, each closed by an end token, form a trie. A model that is constrained to the labels
chooses among the children of one node after the other; the probability of a label is the product of its choices (the
distribution of constrained decoding; e.g. Geng et al. 2023, arXiv 2305.13971). A node with a single child is no choice,
so that only branching nodes are read: one prompt each, which ends with the tokens that lead to the node.

n prompts, m options of a prompt.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from laud_ray.models.language.chat import Tokens
from laud_ray.types import Floats

# The most tokens whose probabilities vLLM returns for one prompt.
MOST_TOKENS = 128
# The most prompts for one document; if all labels need more, each document gets options of its own.
MOST_REQUESTS = 64


class ReadsTokens(Protocol):
    """An engine that computes the log-probabilities of given tokens after each prompt."""

    def read_tokens(self, prompts: Sequence[Sequence[int]], tokens: Sequence[Tokens]) -> list[Floats]:
        """Map n prompts, each with at most MOST_TOKENS tokens, to the log-probabilities of its tokens."""
        ...


@dataclass(frozen=True, slots=True)
class Branch:
    """A node of the trie that is read.

    Attributes:
        path: the tokens that lead to it from the end of the prompt.
        children: the tokens that may follow; at least two, except at the root.
    """

    path: Tokens
    children: Tokens


@dataclass(frozen=True, slots=True)
class Trie:
    """The token sequences of m labels.

    Attributes:
        branches: the nodes that are read; the root first.
        choices: for each label, the (branch, child) pairs on its way.
    """

    branches: tuple[Branch, ...]
    choices: tuple[tuple[tuple[int, int], ...], ...]

    @property
    def requests(self) -> int:
        """The number of prompts that an engine computes for each document."""
        return sum(-(-len(branch.children) // MOST_TOKENS) for branch in self.branches)

    def further(self, block: int) -> float:
        """Estimate the tokens that an engine computes for the prompts of a document after the first.

        Its cache holds whole blocks of tokens, so that half a block is computed again on average.
        """
        return sum(block / 2 + len(branch.path) for branch in self.branches[1:])


def build(sequences: Sequence[Tokens]) -> Trie:
    """Build the trie of m distinct token sequences, none of which is a prefix of another.

    An end token, which no sequence has elsewhere, makes sure of the latter.

    Example:
        >>> build([(5, 0), (5, 7, 0), (6, 0)]).branches
        (Branch(path=(), children=(5, 6)), Branch(path=(5,), children=(0, 7)))
    """
    following: dict[Tokens, dict[int, None]] = {(): {}}
    for sequence in sequences:
        for i, token in enumerate(sequence):
            following.setdefault(sequence[:i], {})[token] = None
    branches = [Branch(path, tuple(children)) for path, children in following.items() if len(children) > 1 or not path]
    place = {branch.path: i for i, branch in enumerate(branches)}
    choices = (
        tuple(
            (place[sequence[:i]], branches[place[sequence[:i]]].children.index(token))
            for i, token in enumerate(sequence)
            if sequence[:i] in place
        )
        for sequence in sequences
    )
    return Trie(tuple(branches), tuple(choices))


def read(engine: ReadsTokens, prompts: Sequence[Sequence[int]], tries: Sequence[Trie]) -> tuple[Floats, Floats]:
    """Compute the probabilities of the options of n prompts; all prompts of one document share its prefix.

    Args:
        engine: computes the log-probabilities of tokens.
        prompts: token ids.
        tries: the trie of each prompt's m options.

    Returns:
        The (n, m) log-probabilities of the options, whose probabilities sum to 1, and the (n,) total probability of the
        tokens with which an option begins.
    """
    requests = [
        (i, ids, branch.path, branch.children[start : start + MOST_TOKENS])
        for i, (ids, trie) in enumerate(zip(prompts, tries, strict=True))
        for branch in trie.branches
        for start in range(0, len(branch.children), MOST_TOKENS)
    ]
    found = iter(engine.read_tokens([[*ids, *path] for _, ids, path, _ in requests], [one[3] for one in requests]))
    rows, mass = [], np.zeros(len(prompts), np.float32)
    for i, trie in enumerate(tries):
        parts = [
            np.concatenate([next(found) for _ in range(0, len(branch.children), MOST_TOKENS)])
            for branch in trie.branches
        ]
        mass[i] = np.exp(parts[0]).sum()
        chosen = [part - np.logaddexp.reduce(part) for part in parts]
        rows.append(np.asarray([sum(chosen[b][c] for b, c in way) for way in trie.choices], np.float32))
    return np.stack(rows), mass
