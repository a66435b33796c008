"""Complete an indexing policy as the service does; nothing is indexed by it."""

from typing import Any

from local.cosmos import errors
from local.cosmos.values import JsonObject

EVERYTHING = {"path": "/*"}
ETAG = {"path": '/"_etag"/?'}


def completed(policy: Any) -> JsonObject:
    """Add what a policy does not say."""
    if policy is None:
        policy = {}
    if not isinstance(policy, dict):
        raise errors.bad_request("An indexingPolicy must be an object.")
    mode = str(policy.get("indexingMode", "consistent")).lower()
    known = {"automatic": True, **policy, "indexingMode": mode}
    if mode == "none":
        return {"includedPaths": [], "excludedPaths": [], **known}
    excluded = [path for path in policy.get("excludedPaths") or [] if path != ETAG]
    # Kinds and precisions of indexes are a thing of the past: the service takes them and keeps none.
    included = [{"path": path.get("path")} for path in policy.get("includedPaths") or [EVERYTHING]]
    return {**known, "includedPaths": included, "excludedPaths": [*excluded, ETAG]}
