"""The benchmark: what each level, bundle, runtime and peer costs on this machine, measured in one run."""
