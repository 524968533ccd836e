"""Between the domain's values and the messages of the contract."""
