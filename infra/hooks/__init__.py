"""What a deployment does besides creating resources; azd runs it, and infra/deploy.sh."""
