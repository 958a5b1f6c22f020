"""How a run is updated with new data. No key here changes the results of rounds."""

from pydantic import Field

from laud_ray.config.section import Section


class ToleranceConfig(Section):
    """Changes that are too small to matter. A test gathers evidence only against larger ones.

    Attributes:
        confidence: a change of the mean confidence, in either direction.
        labels: a change of the share of any one label, in either direction.
        novelty: the share of documents farther from the corpus than 99 % of it was; without a change it is 0.01.
    """

    confidence: float = Field(default=0.01, gt=0, lt=1)
    labels: float = Field(default=0.02, gt=0, lt=1)
    novelty: float = Field(default=0.015, gt=0, lt=1)


class UpdateConfig(Section):
    """What `laud update` tolerates, asks and demands.

    Attributes:
        floor: the accuracy on new documents below which a person is needed; None: no floor.
        margin: how much accuracy on earlier documents a new model may lose.
        alarms_a_year: probability of a false alarm within a year, shared equally by the three tests.
        tolerance: changes that are too small to matter.
        annotations: the most documents that one update asks about.
    """

    floor: float | None = Field(default=None, ge=0, le=1)
    margin: float = Field(default=0.02, gt=0, lt=1)
    alarms_a_year: float = Field(default=0.05, gt=0, lt=1)
    tolerance: ToleranceConfig = ToleranceConfig()
    annotations: int = Field(default=100, ge=0)
