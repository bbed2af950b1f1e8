"""Search strategies, one a file, behind `nas.trial.Strategy`."""
