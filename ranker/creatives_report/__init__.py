"""The report on creatives: which elements win, how surely, what goes together; retirement of clear losers."""
