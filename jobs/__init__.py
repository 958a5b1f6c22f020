"""Scripts for `ray job submit`, each a thin layer over a `laud` command, and manifests for KubeRay."""
