import torch

from models.moments import _of_tensors, column_moments


def test_the_compiled_moments_equal_those_of_tensors_with_values_missing() -> None:
    values_NF = torch.randn(200, 3, generator=torch.Generator().manual_seed(0)) + 100
    values_NF[3, 1], values_NF[5, 1], values_NF[7, 0], values_NF[:, 2] = torch.nan, torch.inf, -torch.inf, torch.nan
    for found_F, expected_F in zip(column_moments(values_NF), _of_tensors(values_NF), strict=True):
        torch.testing.assert_close(found_F, expected_F, rtol=1e-12, atol=1e-12)
    assert column_moments(values_NF)[0].tolist() == [199, 198, 0]
