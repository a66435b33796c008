"""Documents of three applications: a Node team's, .NET's, and some whose ids repeat from tenant to tenant."""

from uuid import UUID

NODE = [
    {
        "id": str(UUID(int=number)),
        "type": "order",
        "customerId": str(UUID(int=99)),
        "total": 12.25 + number,
        "placedAt": 1_767_972_031 + number,
        "tags": ["a", "b"],
        "note": None if number % 2 else "",
        "shippingAddress": {"street": "Long Street 1", "zip": "00123", "floor": None if number % 2 else 3},
        "lines": [{"lineId": f"l{each}", "price": 1.5, "options": [{"id": each, "name": "x"}]} for each in range(2)],
        "wild": {"a": 1} if number % 2 else [1],
        "from": "web",
        "accessToken": "secret",
        **({"deletedAt": 1_768_000_000, "ttl": 3600} if number == 3 else {}),
    }
    for number in range(12)
] + [
    {"id": str(UUID(int=100 + number)), "type": "refund", "orderId": str(UUID(int=number)), "amount": 5.5}
    for number in range(10)
]
DOTNET = [
    {
        "id": f"Account|{number}",
        "Id": str(number),
        "$type": "Account",
        "Code": f"c{number}",
        "BornAt": "2026-01-09T15:20:31.8123456Z",
        "Never": "0001-01-01T00:00:00",
        "Roles": "one,two",
        "Settings": '{"a":1}',
        "Elapsed": "01:02:03",
        "IsDeleted": number == 1,
    }
    for number in range(12)
]
# Two names that make one column, a word of SQL, other letters, and names that begin like pydantic's.
ODD = {"a b": 1, "a.b": 2, "order": 3, "größe": 4, "grüße": 5, "modelName": 6, "list": [{"id": 1}], "@note": "x"}
# The older ones have a place, the newer ones a placeName, some both.
TENANTS = [
    {
        "id": f"v{number // 2}",
        "tenantId": f"t{number % 2}",
        "seconds": number,
        "_ts": 1_767_972_031 + 86_400 * number,
        **ODD,
        **({"place": "here"} if number < 20 else {}),
        **({"placeName": "here"} if number > 12 else {}),
    }
    for number in range(30)
]
