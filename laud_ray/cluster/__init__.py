"""Ray under the package: connect, map names over workers, submit jobs, publish metrics."""
