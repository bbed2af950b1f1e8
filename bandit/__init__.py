"""Creative optimisation: Thompson sampling from a Bayesian factorization machine."""
