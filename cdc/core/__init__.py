"""The model of the engine: documents, their versions, their rows, and errors."""
