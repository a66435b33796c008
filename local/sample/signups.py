"""Pending signups: short-lived, with secrets; generation D has another class than the older ones."""

from local.sample.values import Document, Generation, Values, stamp


def make_signup(values: Values, generation: Generation, email: str) -> Document:
    """Return a signup that nobody has answered yet."""
    now = values.now()
    signup: Document = {"id": values.id(generation), "CreatedAt": now, "DisplayName": values.name()}
    if generation == "D":
        signup |= {
            "Email": email,
            "VerificationTokenHash": f"secret-{values.guid()}",
            "VerificationTokenExpiresAt": values.now(),
            "VerifiedAt": None,
            "VerifiedUntil": None,
            "ConsumedAt": None,
            "Status": 1,
            "UpdatedAt": now,
        }
    else:
        signup |= {
            "Email" if generation == "A" else "email": email,
            "Code": f"{values.random.randint(0, 999_999):06}",
            "ExpiresAt": values.now(),
            "IsUsed": False,
            "IsSignin": values.chance(0.5),
            "FailedAttempts": 0,
        }
    return stamp(signup, "PendingSignup", generation)


def change_signup(values: Values, signup: Document) -> None:
    """Let somebody answer, rightly or with a wrong code."""
    if "Code" not in signup:
        signup |= {"ConsumedAt": values.now(), "Status": 3}
    elif values.chance(0.3):
        signup["FailedAttempts"] += 1
    else:
        signup["IsUsed"] = True
