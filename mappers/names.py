"""Names of properties as other writers may spell them, and the names of secrets."""

# Never stored and never counted.
SECRETS = frozenset(
    (
        *("Code", "ParentalControlPinHash", "PasswordHash", "PurchaseToken", "RefreshToken", "RefreshTokenExpiresAt"),
        *("SecurityStamp", "TwoFactorSecretKey", "VerificationToken", "VerificationTokenHash"),
    )
)


def fold(name: str) -> str:
    """Return a name without capitals and underscores, in which the spelling of another writer may differ."""
    return name.replace("_", "").lower()


_FOLDED = frozenset(map(fold, SECRETS))


def is_secret(name: str) -> bool:
    """Return whether a property is a secret, in any spelling."""
    folded = fold(name)
    return folded in _FOLDED or folded.startswith("refreshtoken")
