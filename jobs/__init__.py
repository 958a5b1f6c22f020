"""What `ray job submit` runs: each a thin script over laud_ray; and the manifests for KubeRay."""
