"""What the engine is about: documents, their versions, the rows they become, and what can go wrong."""
