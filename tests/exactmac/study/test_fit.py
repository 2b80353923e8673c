"""Power laws: closed forms, what is left out, and the spread over seeds."""

import math

import pytest

from exactmac.study.fit import LEAST, PowerLaw, power_law, power_laws

OPERATIONS = [4, 16, 64, 256, 1024]


@pytest.mark.parametrize(("factor", "exponent"), [(8.0, -1.5), (0.25, -0.5), (3.0, 2.0)])
def test_a_power_law_is_found(factor, exponent):
    fit = power_law(OPERATIONS, [factor * each**exponent for each in OPERATIONS])
    assert isinstance(fit, PowerLaw)
    assert math.isclose(fit.factor, factor, rel_tol=1e-12)
    assert math.isclose(fit.exponent, exponent, rel_tol=1e-12)
    assert math.isclose(fit.r_squared, 1, rel_tol=1e-12)
    assert (fit.points, fit.left_out) == (5, 0)


def test_a_closed_form_with_residuals():
    """In logarithms to base 2: x = 0, 1, 2, 3 and y = 0, -1, -1, -2."""
    fit = power_law([1, 2, 4, 8], [1, 0.5, 0.5, 0.25])
    assert isinstance(fit, PowerLaw)
    # dx = -1.5 -0.5 0.5 1.5, dy = 1 0 0 -1: the slope is -3/5, and 1 - 0.2/2 of the variance.
    assert math.isclose(fit.exponent, -3 / 5, rel_tol=1e-12)
    assert math.isclose(math.log2(fit.factor), -1 + 1.5 * 3 / 5, rel_tol=1e-12)
    assert math.isclose(fit.r_squared, 0.9, rel_tol=1e-12)


def test_no_losses_are_left_out():
    fit = power_law([1, *OPERATIONS, 9], [0, *(1 / each for each in OPERATIONS), -2])
    assert isinstance(fit, PowerLaw)
    assert (fit.points, fit.left_out) == (5, 2)
    assert math.isclose(fit.exponent, -1, rel_tol=1e-12)


@pytest.mark.parametrize(("losses", "reason"), [
    ([1, 2, 3, 0, -1], f"3 points with a loss above 0, of 5; a fit takes {LEAST}"),
    ([1, 0, 0, 0, 0], f"1 point with a loss above 0, of 5; a fit takes {LEAST}"),
    ([2, 2, 2, 2, 2], "all points have one loss, or one number of bit operations")])
def test_why_there_is_no_fit(losses, reason):
    assert power_law(OPERATIONS, losses) == reason


def test_points_of_one_cost_have_no_fit():
    assert power_law([4] * 4, [1, 2, 3, 4]) == (
        "all points have one loss, or one number of bit operations")


@pytest.mark.parametrize("operations", [[1, 2], [0, 1, 2, 3, 4]])
def test_operations_are_checked(operations):
    with pytest.raises(ValueError, match="^Operations must be positive, one for each loss, not "):
        power_law(operations, [1] * 5)


def test_the_spread_over_seeds():
    runs = [{"seed": seed, "bit_operations": each, "loss": each**exponent}
            for seed, exponent in ((0, -1.0), (1, -2.0)) for each in OPERATIONS]
    # A third seed has too few losses for a fit of its own.
    runs += [{"seed": 2, "bit_operations": 4, "loss": 0.1}]
    found = power_laws(runs)
    assert found["points"] == 11 and found["by_seed"]["exponents"].keys() == {"0", "1"}
    assert math.isclose(found["by_seed"]["mean"], -1.5, rel_tol=1e-12)
    assert math.isclose(found["by_seed"]["deviation"], math.sqrt(0.5), rel_tol=1e-12)
    one = power_laws([run for run in runs if run["seed"] == 0])["by_seed"]
    assert math.isclose(one["mean"], -1, rel_tol=1e-12) and one["deviation"] is None
    assert power_laws(runs[:2])["reason"].startswith("2 points with a loss")
