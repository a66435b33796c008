"""Write the URLs that clients of a task hub are given."""

import json
from dataclasses import dataclass
from urllib.parse import quote

_PLACEHOLDER = "INSTANCEID"
WEBHOOKS = "/runtime/webhooks/durabletask"
RPC = "/durabletask"


@dataclass(frozen=True, slots=True, kw_only=True)
class Urls:
    """Hold where a task hub is reached: by the app over RPC, by everyone else over its webhooks."""

    origin: str
    rpc_origin: str
    hub_name: str
    key: str

    def binding(self) -> str:
        """Return the text that a durable client input gets."""
        base = f"{self.origin}{WEBHOOKS}"
        create = f"{base}/orchestrators/{{functionName}}[/{{instanceId}}]"
        content = {
            "taskHubName": self.hub_name,
            "creationUrls": {
                "createNewInstancePostUri": f"{create}?{self._code}",
                "createAndWaitOnNewInstancePostUri": (
                    f"{create}?timeout={{timeoutInSeconds}}&pollingInterval={{intervalInSeconds}}&{self._code}"
                ),
            },
            "managementUrls": self.management(_PLACEHOLDER),
            "baseUrl": base,
            "requiredQueryStringParameters": self._code,
            "rpcBaseUrl": f"{self.rpc_origin}{RPC}/",
        }
        return json.dumps(content)

    def management(self, instance_id: str) -> dict[str, str]:
        """Return the URLs by which one instance is managed."""
        instance = f"{self.origin}{WEBHOOKS}/instances/{quote(instance_id, safe='')}"
        query = f"taskHub={self.hub_name}&connection=Storage&{self._code}"
        return {
            "id": instance_id,
            "statusQueryGetUri": f"{instance}?{query}",
            "sendEventPostUri": f"{instance}/raiseEvent/{{eventName}}?{query}",
            "terminatePostUri": f"{instance}/terminate?reason={{text}}&{query}",
            "rewindPostUri": f"{instance}/rewind?reason={{text}}&{query}",
            "purgeHistoryDeleteUri": f"{instance}?{query}",
            "restartPostUri": f"{instance}/restart?{query}",
            "suspendPostUri": f"{instance}/suspend?reason={{text}}&{query}",
            "resumePostUri": f"{instance}/resume?reason={{text}}&{query}",
        }

    @property
    def _code(self) -> str:
        return f"code={quote(self.key, safe='')}"
