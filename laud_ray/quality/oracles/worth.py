"""The price of a right label, and of the information in a label. Pure. k classes; prices in dollars or in seconds."""

from math import inf

from laud_ray.types import Estimate


def per_right(price: float, accuracy: Estimate) -> Estimate:
    """Return the price of a right label, with the interval of the accuracy carried over; infinity at accuracy 0.

    If every label is right it is the price of a label.

    Args:
        price: of a label, abstentions and failed calls shared out among the labels.
    """
    return _over(price, accuracy, accuracy.value, accuracy.low, accuracy.high)


def information(accuracy: float, classes: int) -> float:
    """Return the share f, in [0, 1], of a right label's information that a label of this accuracy holds.

    With an error e spread evenly over the other classes, an average over labels keeps 1 - e k / (k - 1) of its signal
    and all of its noise, so that 1 / f labels hold the information of one right label. It is 0 at chance and below.

    Angluin and Laird (1988), "Learning from Noisy Examples", for two classes: f = (1 - 2 e)².

    Raises:
        ValueError: if there are fewer than 2 classes.
    """
    if classes < 2:
        raise ValueError(f"classes is {classes}; expected at least 2")
    return max(0.0, 1 - (1 - accuracy) * classes / (classes - 1)) ** 2


def effective(price: float, accuracy: Estimate, classes: int) -> Estimate:
    """Return the price of the information of one right label, with the accuracy's interval; infinity at chance."""
    shares = (information(one, classes) for one in (accuracy.value, accuracy.low, accuracy.high))
    return _over(price, accuracy, *shares)


def _over(price: float, accuracy: Estimate, value: float, low: float, high: float) -> Estimate:
    """Return price over a share whose interval is [low, high]."""
    one, most, least = (price / share if share > 0 else inf for share in (value, low, high))
    return Estimate(one, least, most, accuracy.n)
