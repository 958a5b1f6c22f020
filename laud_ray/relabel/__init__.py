"""Label whole catalogs with a model: every row exactly once, resumable after a crash, with an auditable result."""

from laud_ray.relabel.inputs.catalog import Columns as Columns
from laud_ray.relabel.limits import Canary as Canary
from laud_ray.relabel.limits import CanaryError as CanaryError
from laud_ray.relabel.plan import Options as Options
from laud_ray.relabel.plan import begun_with as begun_with
from laud_ray.relabel.plan import previous_of as previous_of
from laud_ray.relabel.rule import Rule as Rule
from laud_ray.relabel.rule import read_rule as read_rule
from laud_ray.relabel.run import Outcome as Outcome
from laud_ray.relabel.run import relabel as relabel
from laud_ray.relabel.source import open_source as open_source
