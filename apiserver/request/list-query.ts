/**
 * List query: what the query parameters of a list, a watch and a deletecollection say in common.
 *
 * Only their spelling is known here; what they mean together, and which make no sense, says cache/list-options.ts.
 */
import type { ListQuery } from "../cache/contract.ts";
import type { ResourceExchange } from "./contract.ts";
import { flag, text, wholeNumber } from "./options.ts";
import { selectionOf } from "./selection.ts";

export type ListParameters = Omit<ListQuery, "signal">;

export function listQueryOf({ row, info, record }: ResourceExchange): ListParameters {
  const { query } = record;
  return {
    selection: selectionOf(row, info.namespace, query),
    resourceVersion: text(query, "resourceVersion"),
    resourceVersionMatch: text(query, "resourceVersionMatch"),
    limit: wholeNumber(query, "limit"),
    continue: text(query, "continue"),
    sendInitialEvents: query.has("sendInitialEvents") ? flag(query, "sendInitialEvents") : undefined,
  };
}
