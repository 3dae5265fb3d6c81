"""The masked-piece task: the answer must not stand in the input."""

import pytest
import torch

from model.ssl.masking import blank, choose_masked


def planes_with(pieces: dict[tuple[int, int], int]) -> torch.Tensor:
    """One position: {(row, column): plane}; side to move and clocks are set too."""
    planes = torch.zeros(1, 19, 8, 8)
    planes[0, 12:] = 0.5
    for (row, column), plane in pieces.items():
        planes[0, plane, row, column] = 1
    return planes


@pytest.mark.parametrize(("mask_frac", "num_masked"), [(0.15, 10), (0.5, 32), (0.001, 1)])
def test_every_position_has_the_same_number_of_masked_squares(
    mask_frac: float, num_masked: int
) -> None:
    masked = choose_masked(200, mask_frac, torch.Generator().manual_seed(1))
    assert masked.sum(dim=1).tolist() == [num_masked] * 200
    assert masked.any(dim=0).float().mean() > (0.9 if num_masked > 1 else 0.5)


def test_masks_follow_the_generator() -> None:
    first, again = (choose_masked(4, 0.2, torch.Generator().manual_seed(3)) for _ in range(2))
    other = choose_masked(4, 0.2, torch.Generator().manual_seed(4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_blanking_hides_the_piece_and_nothing_else() -> None:
    planes = planes_with({(2, 3): 8, (5, 6): 1})
    original = planes.clone()
    masked = torch.zeros(1, 64, dtype=torch.bool)
    masked[0, 2 * 8 + 3] = True
    seen = blank(planes, masked)
    assert seen[0, :12, 2, 3].sum() == 0
    seen[0, 8, 2, 3] = 1
    assert torch.equal(seen, original)
    assert torch.equal(planes, original)


def test_the_answer_cannot_be_read_from_the_masked_board() -> None:
    """Two boards that differ only on masked squares look the same."""
    masked = torch.zeros(1, 64, dtype=torch.bool)
    masked[0, [9, 40]] = True
    one = planes_with({(1, 1): 0, (5, 0): 9, (7, 7): 3})
    two = planes_with({(1, 1): 10, (7, 7): 3})
    assert torch.equal(blank(one, masked), blank(two, masked))
