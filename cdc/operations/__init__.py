"""Operations on everything: migrations, setup, checks, status, counts, tombstones."""
