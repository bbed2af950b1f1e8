"""From logged decisions to what another policy would have been worth: estimates, intervals, diagnostics."""
