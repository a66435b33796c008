"""The source: a Cosmos DB account, its change feeds and the leases of the trigger."""
