"""Operations on everything: migrations, setup, checks, status, counts, the timer, pruning."""
