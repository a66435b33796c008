"""Give a second opinion: what each row must hold, said once more without the code of the product."""
