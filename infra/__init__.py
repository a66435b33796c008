"""What is deployed to Azure, and how it is checked without Azure."""
