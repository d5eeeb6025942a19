"""Synthetic tissue: repeatable, balanced, quick; cells that count can be seen; changes keep the label."""

from __future__ import annotations

import time

import numpy as np
import pytest

from fulmen_evolution.patches import changed, middle
from fulmen_evolution.stains import EOSIN, HAEMATOXYLIN, stain_vectors, transmit
from fulmen_evolution.tissue import POSITIVE, TissueSettings, draw_patch

PLAIN = TissueSettings()


def patch(seed, settings=PLAIN, lymphocytes=None):
    return draw_patch(np.random.default_rng(seed), settings, lymphocytes)


def test_the_same_seed_gives_the_same_patch_and_another_another():
    first, again, other = patch(1)[0], patch(1)[0], patch(2)[0]

    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert (first.dtype, first.shape) == (np.uint8, (100, 100, 3))


def test_half_of_the_patches_are_positive_and_one_and_two_are_common():
    counts = np.array([patch(seed, TissueSettings(size=40))[1] for seed in range(600)])

    assert 0.42 < (counts >= POSITIVE).mean() < 0.58
    assert (counts == 1).mean() > 0.2


def test_a_lymphocyte_is_what_was_painted_and_nothing_else():
    """With all else equal, a patch with one more differs in a disc of about its size, and is darker there."""
    settings = TissueSettings(noise=0, crowding=0, stain_jitter=0)
    without, _ = patch(5, settings, 0)
    with_one, placed = patch(5, settings, 1)
    different = (np.abs(with_one.astype(int) - without) > 30).any(2)

    assert placed == 1
    assert np.pi * 4.5**2 < different.sum() < np.pi * 9**2
    assert with_one[different].mean() < without[different].mean() - 60


def test_lymphocytes_stay_apart_and_fewer_are_placed_where_there_is_no_room():
    _, placed = patch(3, TissueSettings(size=32), 200)

    assert 3 < placed < 30


def test_a_stain_obeys_beer_and_lambert():
    generator = np.random.default_rng(0)
    vectors = stain_vectors(generator, jitter=0.0)
    np.testing.assert_allclose(vectors[0], np.array(HAEMATOXYLIN) / np.linalg.norm(HAEMATOXYLIN), rtol=1e-6)
    amounts = np.array([[[0, 0], [1, 0], [0, 2], [1, 2]]], dtype=np.float32)
    light = transmit(amounts, vectors)[0] / 245

    np.testing.assert_allclose(light[0], 1.0, rtol=1e-6)
    np.testing.assert_allclose(light[2], 10.0 ** (-2 * np.array(EOSIN) / np.linalg.norm(EOSIN)), rtol=1e-5)
    np.testing.assert_allclose(light[3], light[1] * light[2], rtol=1e-5)


def test_settings_shift_what_they_name():
    def mean(**options):
        return np.mean(
            [patch(seed, TissueSettings(size=64, **options))[0] for seed in range(30)], axis=(0, 1, 2)
        )

    plain = mean()
    assert (mean(stain_strength=1.5) < plain - 10).all()
    turned = mean(stain_turn=0.3) - plain
    assert np.abs(turned).max() > 5
    assert mean(crowding=0)[0] > plain[0] + 3  # fewer nuclei absorb red


def test_a_patch_takes_about_five_milliseconds():
    patch(0)
    start = time.process_time()
    for seed in range(40):
        patch(seed)
    # 5 ms on a quiet core; here others may work beside us.
    assert (time.process_time() - start) / 40 < 0.015


@pytest.mark.parametrize(
    ("name", "value"),
    [("size", 8), ("stain_jitter", -1), ("nucleus_scale", 9), ("blur", 0), ("noise", float("nan"))],
)
def test_settings_out_of_bounds_are_refused(name, value):
    with pytest.raises(ValueError, match=f"{name} is"):
        TissueSettings(**{name: value})


def test_changes_keep_size_and_range_and_turn_the_picture():
    image = np.zeros((120, 120, 3), np.uint8)
    image[:60, :60] = (200, 100, 150)
    corners = set()
    for seed in range(60):
        found = changed(image, 100, np.random.default_rng(seed))
        assert found.shape == (100, 100, 3)
        assert found.min() >= 0
        assert found.max() <= 255
        quarters = [found[y : y + 10, x : x + 10].mean() for y in (0, 90) for x in (0, 90)]
        corners.add(int(np.argmax(quarters)))

    assert corners == {0, 1, 2, 3}


def test_gray_stays_gray_under_a_turn_of_hue():
    found = changed(np.full((40, 40, 3), 128, np.uint8), 32, np.random.default_rng(1))

    assert np.ptp(found, axis=2).max() < 1


def test_a_patch_is_shifted_as_far_as_it_has_room_and_no_further():
    """What stands in the middle stays; a patch of the crop's size is not shifted at all: its cells count."""
    marked = np.full((40, 40, 3), 90, np.uint8)
    marked[19:21, 19:21] = 250
    roomy, tight = set(), set()
    for seed in range(80):
        for size, rows in ((32, roomy), (40, tight)):
            found = changed(marked, size, np.random.default_rng(seed))[..., 0]
            assert (found > found.min() + 100).sum() == 4
            rows.add(int((found > found.min() + 100).any(1).argmax()))

    assert roomy == set(range(11, 20))
    assert tight == {19}


def test_the_middle_is_in_the_middle():
    image = np.zeros((10, 12, 3), np.uint8)
    image[3:7, 4:8] = 9

    assert (middle(image, 4) == 9).all()
