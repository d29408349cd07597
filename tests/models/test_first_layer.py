import torch
from torch.nn import functional

from models.first_layer import FactoredLinear


def test_the_factored_form_equals_one_linear_layer_over_the_concatenation() -> None:
    torch.manual_seed(0)
    layer = FactoredLinear(5, 4, 3, 7).double()
    user_SU, item_NI, cross_NX = (torch.randn(n, f, dtype=torch.float64) for n, f in ((2, 5), (6, 4), (6, 3)))
    slate_N = torch.tensor([1, 0, 0, 1, 1, 0])
    plain = functional.linear(torch.cat([user_SU[slate_N], item_NI, cross_NX], 1), layer.weight_OF, layer.bias_O)
    factored = layer(layer.user_part(user_SU), torch.cat([item_NI, cross_NX], 1), slate_N)
    torch.testing.assert_close(factored, plain, rtol=1e-12, atol=1e-12)


def test_gradients_are_those_of_the_concatenated_form() -> None:
    torch.manual_seed(1)
    layer = FactoredLinear(2, 3, 2, 4).double()
    user_SU, item_NI, cross_NX = (torch.randn(n, f, dtype=torch.float64) for n, f in ((2, 2), (5, 3), (5, 2)))
    slate_N = torch.tensor([0, 0, 1, 1, 0])
    plain = functional.linear(torch.cat([user_SU[slate_N], item_NI, cross_NX], 1), layer.weight_OF, layer.bias_O)
    expected = torch.autograd.grad(plain.square().sum(), list(layer.parameters()))
    factored = layer(layer.user_part(user_SU), torch.cat([item_NI, cross_NX], 1), slate_N)
    found = torch.autograd.grad(factored.square().sum(), list(layer.parameters()))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


def test_parts_add_up_so_that_an_items_part_can_be_kept() -> None:
    torch.manual_seed(2)
    layer = FactoredLinear(2, 3, 2, 4)
    user_SU, item_NI, cross_NX, slate_N = torch.randn(1, 2), torch.randn(3, 3), torch.randn(3, 2), torch.zeros(3).long()
    parts = layer.user_part(user_SU) + layer.item_part(item_NI) + layer.cross_part(cross_NX)
    torch.testing.assert_close(layer(layer.user_part(user_SU), torch.cat([item_NI, cross_NX], 1), slate_N), parts)
