import numpy as np

from pneumoseg.data_io.formats.image_header import affine_of


def test_lps_to_ras_by_hand():
    affine = affine_of((0.5, 0.7, 2.0), (1, 0, 0, 0, 1, 0, 0, 0, 1), (10.0, 20.0, 30.0))
    np.testing.assert_array_equal(affine, [[-0.5, 0, 0, -10], [0, -0.7, 0, -20], [0, 0, 2, 30], [0, 0, 0, 1]])


def test_columns_of_the_direction_are_the_axes():
    affine = affine_of((1.0, 2.0, 3.0), (0, 0, 1, 1, 0, 0, 0, 1, 0), (0.0, 0.0, 0.0))
    np.testing.assert_array_equal(affine[:3, :3], [[0, 0, -3], [-1, 0, 0], [0, 2, 0]])


def test_axes_beyond_the_third_are_left_out():
    affine = affine_of((1.0, 1.0, 1.0, 9.0), tuple(np.eye(4).ravel()), (1.0, 2.0, 3.0, 4.0))
    np.testing.assert_array_equal(affine, [[-1, 0, 0, -1], [0, -1, 0, -2], [0, 0, 1, 3], [0, 0, 0, 1]])
