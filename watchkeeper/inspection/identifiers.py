"""A second look at what may be personal data: the checksum, the date or the range that makes a number somebody's.

Each takes the matched piece and says whether it stands. None of them raises. Numbers are checked as their issuers
define them; what has no checksum is asked for beside its name only (content/inspectors/personal.yaml).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from datetime import date

_SEPARATORS = b" \t-./()"
_NOBODY = frozenset({"git", "hg", "svn", "noreply", "no-reply", "donotreply", "do-not-reply", "mailer-daemon"})
_FILES = frozenset(
    [
        "png",
        "jpg",
        "jpeg",
        "gif",
        "svg",
        "webp",
        "ico",
        "js",
        "mjs",
        "ts",
        "css",
        "json",
        "html",
        "htm",
        "pdf",
        "xml",
        "yaml",
        "yml",
        "toml",
        "txt",
        "lock",
        "whl",
        "tgz",
    ]
)
"""`logo@2x.png` is no address."""
_IBAN_LENGTHS = {
    country: length
    for length, countries in {
        15: "NO", 16: "BE", 18: "DK FI FO GL NL SD", 19: "MK SI", 20: "AT BA EE KZ LT LU XK MN", 21: "CH CR HR LI LV",
        22: "BG BH DE GB GE IE ME RS VA", 23: "AE GI IL IQ OM SO TL", 24: "AD CZ ES MD PK RO SA SE SK TN VG",
        25: "LY PT ST", 26: "IS TR", 27: "BI DJ FR GR IT MC MR SM", 28: "AL AZ BY CY DO GT HU LB NI PL SV",
        29: "BR EG PS QA UA", 30: "JO KW MU YE", 31: "MT SC", 32: "LC", 33: "RU",
    }.items()
    for country in countries.split()
}  # fmt: skip
_VERHOEFF_D = (
    "0123456789", "1234067895", "2340178956", "3401289567", "4012395678",
    "5987604321", "6598710432", "7659821043", "8765932104", "9876543210",
)  # fmt: skip
_VERHOEFF_P = (
    "0123456789", "1576283094", "5803796142", "8916043527", "9453126870", "4286573901", "2793806415", "7046913258",
)  # fmt: skip
_ODD = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)
_FISCAL_ODD = dict(zip("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", [*_ODD[:10], *_ODD], strict=True))
_FISCAL_EVEN = dict(zip("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", [*range(10), *range(26)], strict=True))
_ZONE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789<")
_DATE = re.compile(rb"(\d{4})\D(\d{1,2})\D(\d{1,2})|(\d{1,2})\D(\d{1,2})\D(\d{4})")


def _digits(data: bytes) -> str:
    return data.translate(None, _SEPARATORS).decode("ascii", "replace")


def _numbers(data: bytes, count: int) -> list[int] | None:
    """The digits when there are just so many and not all alike."""
    text = _digits(data)
    return [int(sign) for sign in text] if text.isdigit() and len(text) == count and len(set(text)) > 1 else None


def _is_day(year: int, month: int, day: int) -> bool:
    try:
        return 1850 < date(year, month, day).year <= date.today().year
    except ValueError:
        return False


def is_email(data: bytes) -> bool:
    """An address of a person or a mailbox; not a repository's, a file's or one that nobody reads."""
    local, _, domain = data.decode("ascii", "replace").lower().rpartition("@")
    return local not in _NOBODY and domain.rpartition(".")[2] not in _FILES and ".." not in local


def is_phone(data: bytes) -> bool:
    """8 to 15 digits (E.164) that are not one and the same."""
    text = _digits(data).removeprefix("+")
    return text.isdigit() and 8 <= len(text) <= 15 and len(set(text)) > 2


def is_iban(data: bytes) -> bool:
    """ISO 13616: the country's length, and 1 modulo 97."""
    text = _digits(data).upper()
    if _IBAN_LENGTHS.get(text[:2]) != len(text) or not text.isalnum():
        return False
    return int("".join(str(int(sign, 36)) for sign in text[4:] + text[:4])) % 97 == 1


def has_luhn(text: str) -> bool:
    """The checksum of cards and of several countries' numbers."""
    total = 0
    for place, sign in enumerate(reversed(text)):
        value = int(sign) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def is_card(data: bytes) -> bool:
    """12 to 19 digits of a known network that end in their checksum."""
    text = _digits(data)
    return text.isdigit() and 12 <= len(text) <= 19 and len(set(text)) > 1 and has_luhn(text)


def is_us_ssn(data: bytes) -> bool:
    """A number that the Social Security Administration could have given out; two were printed in advertisements."""
    text = _digits(data)
    if not text.isdigit() or len(text) != 9 or text in ("078051120", "219099999"):
        return False
    return text[:3] not in ("000", "666") and text[0] != "9" and text[3:5] != "00" and text[5:] != "0000"


def is_uk_nino(data: bytes) -> bool:
    """A prefix that is given out."""
    return _digits(data).upper()[:2] not in ("BG", "GB", "KN", "NK", "NT", "TN", "ZZ")


def is_de_tax_id(data: bytes) -> bool:
    """ISO 7064 modulo 11,10, and one digit that repeats."""
    digits = _numbers(data, 11)
    if digits is None or digits[0] == 0 or max(Counter(digits[:10]).values()) not in (2, 3):
        return False
    product = 10
    for digit in digits[:10]:
        product = (digit + product) % 10 or 10
        product = product * 2 % 11
    return (11 - product) % 10 == digits[10]


def is_fr_nir(data: bytes) -> bool:
    """97 less the rest; Corsica's departments are 19 and 18."""
    text = _digits(data).upper()
    body = text[:13].replace("2A", "19").replace("2B", "18")
    if len(text) != 15 or not body.isdigit() or not text[13:].isdigit() or text[0] not in "12":
        return False
    return 97 - int(body) % 97 == int(text[13:])


def is_es_dni(data: bytes) -> bool:
    """DNI and NIE: the letter is the number modulo 23."""
    text = _digits(data).upper()
    number = text[:-1].translate(str.maketrans("XYZ", "012"))
    return number.isdigit() and len(text) == 9 and "TRWAGMYFPDXBNJZSQVHLCKE"[int(number) % 23] == text[-1]


def is_it_fiscal_code(data: bytes) -> bool:
    """Sixteen signs, of which the last is the others' checksum."""
    text = data.decode("ascii", "replace").upper()
    if len(text) != 16 or not text.isalnum():
        return False
    total = sum((_FISCAL_EVEN if place % 2 else _FISCAL_ODD).get(sign, 0) for place, sign in enumerate(text[:15]))
    return chr(65 + total % 26) == text[15]


def is_nl_bsn(data: bytes) -> bool:
    """The eleven test."""
    digits = _numbers(data, 9)
    if digits is None:
        return False
    return (sum(d * w for d, w in zip(digits, (9, 8, 7, 6, 5, 4, 3, 2, -1), strict=True))) % 11 == 0


def is_br_cpf(data: bytes) -> bool:
    """Two check digits modulo 11."""
    digits = _numbers(data, 11)
    if digits is None:
        return False
    for count in (9, 10):
        rest = sum(d * (count + 1 - i) for i, d in enumerate(digits[:count])) * 10 % 11 % 10
        if rest != digits[count]:
            return False
    return True


def is_in_aadhaar(data: bytes) -> bool:
    """Verhoeff's checksum; none begins with 0 or 1."""
    digits = _numbers(data, 12)
    if digits is None or digits[0] < 2:
        return False
    check = 0
    for place, digit in enumerate(reversed(digits)):
        check = int(_VERHOEFF_D[check][int(_VERHOEFF_P[place % 8][digit])])
    return check == 0


def is_cn_resident_id(data: bytes) -> bool:
    """GB 11643: a date of birth, and ISO 7064 modulo 11,2."""
    text = data.decode("ascii", "replace").upper()
    if len(text) != 18 or not text[:17].isdigit() or not _is_day(int(text[6:10]), int(text[10:12]), int(text[12:14])):
        return False
    total = sum(int(sign) * (2 ** (17 - place) % 11) for place, sign in enumerate(text[:17]))
    return "10X98765432"[total % 11] == text[17]


def is_ca_sin(data: bytes) -> bool:
    """Nine digits with Luhn's checksum; none begins with 8."""
    text = _digits(data)
    return _numbers(data, 9) is not None and text[0] not in "08" and has_luhn(text)


def is_ch_ahv(data: bytes) -> bool:
    """756 and an EAN-13 checksum."""
    digits = _numbers(data, 13)
    if digits is None or digits[:3] != [7, 5, 6]:
        return False
    return sum(d * (3 if i % 2 else 1) for i, d in enumerate(digits)) % 10 == 0


def is_be_number(data: bytes) -> bool:
    """97 less the rest, with a 2 before it for those born since 2000."""
    text = _digits(data)
    if _numbers(data, 11) is None:
        return False
    return any(97 - int(before + text[:9]) % 97 == int(text[9:]) for before in ("", "2"))


def is_pl_pesel(data: bytes) -> bool:
    """Weights 1, 3, 7, 9, and a month of its century."""
    digits = _numbers(data, 11)
    if digits is None or (digits[2] * 10 + digits[3]) % 20 not in range(1, 13):
        return False
    weights = (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)
    return sum(d * w for d, w in zip(digits, weights, strict=True)) % 10 == 0


def is_kr_rrn(data: bytes) -> bool:
    """A date of birth and a check digit modulo 11."""
    digits = _numbers(data, 13)
    if digits is None or not 1 <= digits[2] * 10 + digits[3] <= 12 or not 1 <= digits[4] * 10 + digits[5] <= 31:
        return False
    weights = (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)
    return (11 - sum(d * w for d, w in zip(digits, weights, strict=False)) % 11) % 10 == digits[12]


def is_passport_zone(data: bytes) -> bool:
    """ICAO 9303: the second line of a passport, whose number, dates and whole carry check digits."""
    line = data[-44:].decode("ascii", "replace").upper()
    if len(line) != 44 or not _ZONE.issuperset(line):
        return False
    parts = ((line[:9], line[9]), (line[13:19], line[19]), (line[21:27], line[27]))
    whole = line[:10] + line[13:20] + line[21:43]
    return all(_mrz(text) == digit for text, digit in (*parts, (whole, line[43])))


def _mrz(text: str) -> str:
    values = (0 if sign == "<" else int(sign, 36) for sign in text)
    return str(sum(value * (7, 3, 1)[place % 3] for place, value in enumerate(values)) % 10)


def has_digit(data: bytes) -> bool:
    """A number of a document, and not the next word."""
    return sum(48 <= sign <= 57 for sign in data) >= 3


def is_day(data: bytes) -> bool:
    """A day that somebody could be born on; one with its month in letters is taken as it is."""
    found = _DATE.fullmatch(data)
    if found is None:
        return True
    if found[1]:
        return _is_day(int(found[1]), int(found[2]), int(found[3]))
    first, second, year = int(found[4]), int(found[5]), int(found[6])
    return _is_day(year, second, first) or _is_day(year, first, second)


IDENTIFIERS: dict[str, Callable[[bytes], bool]] = {
    "email": is_email,
    "phone": is_phone,
    "iban": is_iban,
    "card": is_card,
    "us-ssn": is_us_ssn,
    "uk-nino": is_uk_nino,
    "de-tax-id": is_de_tax_id,
    "fr-nir": is_fr_nir,
    "es-dni": is_es_dni,
    "it-fiscal-code": is_it_fiscal_code,
    "nl-bsn": is_nl_bsn,
    "br-cpf": is_br_cpf,
    "in-aadhaar": is_in_aadhaar,
    "cn-resident-id": is_cn_resident_id,
    "ca-sin": is_ca_sin,
    "ch-ahv": is_ch_ahv,
    "be-number": is_be_number,
    "pl-pesel": is_pl_pesel,
    "kr-rrn": is_kr_rrn,
    "passport-zone": is_passport_zone,
    "has-digit": has_digit,
    "day": is_day,
}
