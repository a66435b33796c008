"""Suspicion of personal data and secrets, by the name of a property and the form of its values."""

import re
from collections.abc import Mapping
from enum import StrEnum
from itertools import pairwise
from typing import Literal

from cdc.modelling.forms import Form


class Suspicion(StrEnum):
    """What a property may be about."""

    EMAIL = "email"
    NAME = "name"
    PHONE = "phone"
    BIRTH = "birth"
    ADDRESS = "address"
    PLACE = "place"
    NUMBER = "official_number"
    PAYMENT = "payment"
    NETWORK = "network_address"
    SENSITIVE = "sensitive"
    SECRET = "secret"  # noqa: S105 - the word for one


Reason = Literal["name", "form"]
_WORDS = {
    Suspicion.EMAIL: "email mail upn",
    Suspicion.NAME: "firstname lastname surname forename givenname familyname middlename fullname displayname username "
    "nickname maidenname playername childname parentname guestname customername contactname profilename initials "
    "salutation",
    Suspicion.PHONE: "phone mobile cell fax telephone msisdn whatsapp",
    Suspicion.BIRTH: "birth dob birthday birthdate dateofbirth age",
    Suspicion.ADDRESS: "address street street1 street2 zip zipcode postcode postal city suburb",
    Suspicion.PLACE: "latitude longitude lat lng lon geo geolocation coordinates gps",
    Suspicion.NUMBER: "ssn passport nationalid taxid idnumber licence license vat",
    Suspicion.PAYMENT: "iban bic card cardnumber pan cvv accountnumber sortcode",
    Suspicion.NETWORK: "ip ipaddress useragent mac deviceid",
    Suspicion.SENSITIVE: "gender sex pronouns religion ethnicity race health diagnosis disability nationality bio "
    "photo avatar consent",
    Suspicion.SECRET: "password passwordhash pwd secret token hash salt apikey privatekey pin otp credential "
    "securitystamp concurrencystamp",
}
_BY_WORD = {word: suspicion for suspicion, words in _WORDS.items() for word in words.split()}
_FORMS = {
    Form.EMAIL: Suspicion.EMAIL,
    Form.PHONE: Suspicion.PHONE,
    Form.NETWORK_ADDRESS: Suspicion.NETWORK,
}
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


def suspect(name: str, forms: Mapping[Form, int]) -> dict[Suspicion, Reason]:
    """Return what a property may be about, and whether its `name` or the `form` of its values says so."""
    found: dict[Suspicion, Reason] = {_FORMS[form]: "form" for form in _FORMS if forms.get(form)}
    words = [part.lower() for part in _PART.findall(name)]
    pairs = ["".join(pair) for pair in pairwise(words)]
    if words in (["name"], ["names"]):
        found[Suspicion.NAME] = "name"
    for word in (*pairs, "".join(words), *words):
        suspicion = _BY_WORD.get(word.removesuffix("s")) or _BY_WORD.get(word)
        if suspicion is not None:
            found[suspicion] = "name"
    return found
