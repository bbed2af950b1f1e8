"""Trials that outlive their workers: a store in SQL with leases, workers, resumable searches."""
