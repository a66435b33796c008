"""What the settings say."""
