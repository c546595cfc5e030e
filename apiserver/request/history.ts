/**
 * History: the kept versions of one object with their causes, for `kubectl trace`.
 *
 *   GET /k8ts/v1/history/apis/apps/v1/namespaces/default/deployments/web
 *
 * The store's history is the journal: what it has compacted is gone, and `since` says where it begins.
 */
import type { ResponseRecord } from "../../machinery/client/transport/contract.ts";
import type { ResourceExchange } from "./contract.ts";
import { respondValue } from "./respond.ts";

export const HISTORY_PREFIX = "/k8ts/v1/history/";

export async function history(exchange: ResourceExchange): Promise<ResponseRecord> {
  const { cache, info } = exchange;
  const { since, versions } = await cache.history({ namespace: info.namespace, name: info.name });
  const value = { kind: "ObjectHistory", apiVersion: "k8ts/v1", since, versions };
  return respondValue(200, value);
}
