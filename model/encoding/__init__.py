"""What the network sees and says: positions as planes, moves as indices. See `docs/encoding.md`."""

from model.encoding.knowledge import KNOWLEDGE_PLANES
from model.encoding.moves import NUM_MOVES, index_to_move, policy_index, policy_indices
from model.encoding.planes import (
    NUM_PLANES,
    PLANES,
    encode_planes,
    encode_planes_into,
    num_planes,
)

__all__ = [
    "KNOWLEDGE_PLANES",
    "NUM_MOVES",
    "NUM_PLANES",
    "PLANES",
    "encode_planes",
    "encode_planes_into",
    "index_to_move",
    "num_planes",
    "policy_index",
    "policy_indices",
]
