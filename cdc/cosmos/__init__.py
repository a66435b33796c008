"""The source: the Cosmos DB account, its change feeds, and the trigger's leases."""
