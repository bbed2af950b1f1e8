"""Training schemes of the weight-sharing net, and what it says about architectures."""
