"""The test cluster: a real Kubernetes in a network namespace of its own, without Docker."""
