"""The queue: first in first out around its end, a copy for who compares, and sizes that would tear a batch refused."""

import pytest
import torch

from semelha.deep.ssl.moco import KeyQueue, moco_loss
from semelha.errors import UsageError


def batch(number: int) -> torch.Tensor:
    return torch.full((2, 3), float(number))


def test_the_oldest_make_room_in_turn_and_around_the_end() -> None:
    queue = KeyQueue(6, 3, batch=2)
    assert torch.allclose(queue.keys().norm(dim=1), torch.ones(6))
    for number in range(3):
        queue.put(batch(number))
    assert queue.keys()[:, 0].tolist() == [0, 0, 1, 1, 2, 2]
    queue.put(batch(3))
    queue.put(batch(4))
    assert queue.keys()[:, 0].tolist() == [3, 3, 4, 4, 2, 2]


def test_it_goes_on_where_it_was_saved() -> None:
    first, second = KeyQueue(6, 3, batch=2), KeyQueue(6, 3, batch=2)
    for number in range(4):
        first.put(batch(number))
    second.load_state_dict(first.state_dict())
    for queue in (first, second):
        queue.put(batch(9))
    assert torch.equal(first.stored, second.stored)
    assert first.keys()[2:4, 0].tolist() == [9, 9]


def test_what_was_compared_outlives_the_next_batch() -> None:
    """Otherwise the backward pass would meet keys that came after the loss, or fail."""
    queue = KeyQueue(4, 3, batch=2)
    q = torch.randn(2, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    k = torch.randn(2, 3, generator=torch.Generator().manual_seed(1))
    before = queue.stored.clone()
    value = moco_loss(q, k, queue.keys(), 0.2)
    queue.put(k)
    value.backward()
    late = q.grad
    q.grad = None
    moco_loss(q, k, before, 0.2).backward()
    torch.testing.assert_close(late, q.grad)


@pytest.mark.parametrize(("size", "said"), [(5, "such as 4"), (1, "such as 2"), (7, "such as 8")])
def test_a_size_that_is_no_multiple_of_the_batch_is_refused(size: int, said: str) -> None:
    with pytest.raises(UsageError, match=f"must be a multiple of the batch of 2, {said}"):
        KeyQueue(size, 3, batch=2)
