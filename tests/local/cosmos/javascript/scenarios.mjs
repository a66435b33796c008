// Runs one scenario with the unmodified JavaScript SDK: reads what it needs as JSON, writes what it saw as JSON.
import { text } from "node:stream/consumers";
import { ChangeFeedStartFrom, CosmosClient } from "@azure/cosmos";

const scenarios = {
  async queries(container, { queries, ...options }) {
    const found = {};
    for (const { text: query, parameters = [], ...more } of queries) {
      const pages = container.items.query({ query, parameters }, { ...options, ...more });
      found[query] = [];
      while (pages.hasMoreResults()) {
        const { resources } = await pages.fetchNext();
        found[query].push(...(resources ?? []));
      }
    }
    return found;
  },

  // Reads until the service says that nothing is newer, as the SDK's documentation does.
  async feedFrom(container, { seconds, maxItemCount }) {
    const feed = container.items.getChangeFeedIterator({
      changeFeedStartFrom: ChangeFeedStartFrom.Time(new Date(seconds * 1000)),
      maxItemCount,
    });
    const seen = { ids: [], statuses: [] };
    while (feed.hasMoreResults) {
      const page = await feed.readNext();
      seen.statuses.push(page.statusCode);
      if (page.statusCode === 304) break;
      seen.ids.push(...page.result.map((document) => document.id));
    }
    return seen;
  },

  async bulk(container, { operations }) {
    const results = await container.items.executeBulkOperations(operations);
    return results.map(({ response, error }) => response?.statusCode ?? error.code);
  },

  async patch(container, { id, partitionKey, operations }) {
    const { statusCode, resource } = await container.item(id, partitionKey).patch(operations);
    return { statusCode, resource };
  },

  // The SDK keeps nothing but the words when the whole batch is refused.
  async batch(container, { partitionKey, operations }) {
    try {
      const { code, result } = await container.items.batch(operations, partitionKey);
      return { code, statuses: result.map((each) => each.statusCode) };
    } catch (error) {
      return { refused: error.message };
    }
  },
};

const { scenario, endpoint, key, database, container, ...given } = JSON.parse(await text(process.stdin));
const client = new CosmosClient({ endpoint, key });
try {
  const seen = await scenarios[scenario](client.database(database).container(container), given);
  console.log(JSON.stringify({ seen }));
} catch (error) {
  console.log(JSON.stringify({ error: { code: error.code, message: error.message } }));
} finally {
  client.dispose();
}
