"""`python -m laud_ray` is `laud`."""

from laud_ray.cli import main

main()
