"""A closed-loop world: simulated users and markets that a policy meets, learns from and changes."""
