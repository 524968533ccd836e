"""Generated contracts: the only code that the service, the gateway and the clients share."""
