"""Say what a query cost."""

from dataclasses import dataclass

from local.cosmos import charges
from local.cosmos.query.tree import Query

QUERY_UNITS = 2.3
DOCUMENT_UNITS = 0.02
KILOBYTE_UNITS = 0.25


@dataclass(slots=True)
class Costs:
    """Count the documents that were read and the rows that were sent."""

    read: int = 0
    read_bytes: int = 0
    sent: int = 0
    sent_bytes: int = 0

    def headers(self, query: Query, *, metrics: bool) -> dict[str, str]:
        """Charge for the work, and describe it when asked."""
        units = QUERY_UNITS + DOCUMENT_UNITS * self.read + KILOBYTE_UNITS * self.sent_bytes / charges.KILOBYTE
        headers = charges.total(units)
        return {**headers, "x-ms-documentdb-query-metrics": self._describe(query)} if metrics else headers

    def _describe(self, query: Query) -> str:
        # Counting everything needs the index alone.
        counts = bool(query.aggregates) and all(each.name == "COUNT" for each in query.aggregates)
        loaded = not (counts and query.where is None and not query.group_by)
        figures = {
            "totalExecutionTimeInMs": "0.10",
            "queryCompileTimeInMs": "0.01",
            "queryLogicalPlanBuildTimeInMs": "0.01",
            "queryPhysicalPlanBuildTimeInMs": "0.01",
            "queryOptimizationTimeInMs": "0.00",
            "VMExecutionTimeInMs": "0.05",
            "indexLookupTimeInMs": "0.00",
            "instructionCount": "1000",
            "documentLoadTimeInMs": "0.01",
            "systemFunctionExecuteTimeInMs": "0.00",
            "userFunctionExecuteTimeInMs": "0.00",
            "retrievedDocumentCount": self.read if loaded else 0,
            "retrievedDocumentSize": self.read_bytes if loaded else 0,
            "outputDocumentCount": self.sent,
            "outputDocumentSize": self.sent_bytes,
            "writeOutputTimeInMs": "0.00",
            "indexUtilizationRatio": f"{min(self.sent / self.read, 1.0) if loaded and self.read else 1.0:.2f}",
        }
        return ";".join(f"{name}={value}" for name, value in figures.items())
