/**
 * Scheduling: why a Pod is placed where it is, or nowhere, as its scheduler says.
 *
 *   GET /k8ts/v1/why/api/v1/namespaces/default/pods/web
 *
 * Who may read the Pod may ask. Schedulers in processes of their own come for questions and bring the answers.
 * How the two meet is in ../scheduling/desk.ts.
 */
import type { ResponseRecord } from "../../machinery/client/transport/contract.ts";
import type { Pod } from "../../machinery/objects/kinds.ts";
import { ANSWERS_PATH, type SchedulingExplanation } from "../../machinery/objects/scheduling.ts";
import { badRequest, notFound } from "../../machinery/objects/status.ts";
import { readBody } from "./body.ts";
import type { Exchange, ResourceExchange } from "./contract.ts";
import { nothingThere } from "./refusals.ts";
import { respondValue } from "./respond.ts";

export const WHY_PREFIX = "/k8ts/v1/why/";

const DEFAULT_SCHEDULER = "default-scheduler";

export async function why({ server, info, row, cache }: ResourceExchange): Promise<ResponseRecord> {
  if (row.group !== "" || row.plural !== "pods") throw nothingThere();
  const found = await cache.get({ namespace: info.namespace, name: info.name });
  if (!found) throw notFound("pods", info.name);
  const { metadata, spec } = found.object as unknown as Pod;
  const scheduler = spec?.schedulerName ?? DEFAULT_SCHEDULER;
  const { uid, namespace, name } = metadata;
  const told = await server.scheduling.ask(scheduler, { uid, namespace: namespace ?? "", name });
  const nothing = { kind: "SchedulingExplanation", apiVersion: "k8ts/v1", scheduler, attempts: [], changes: [] };
  return respondValue(200, told ?? nothing);
}

export async function nextQuestion({ server, record }: Exchange): Promise<ResponseRecord> {
  const scheduler = record.query.get("scheduler") ?? DEFAULT_SCHEDULER;
  const gone = AbortSignal.any([record.signal, server.stopping]);
  const question = await server.scheduling.next(scheduler, gone);
  return respondValue(200, question ? { question } : {});
}

export function takeAnswer({ server, record, info }: Exchange): ResponseRecord {
  const body = readBody(server, record)?.value as { explanation?: SchedulingExplanation | null } | undefined;
  if (typeof body !== "object" || body === null) throw badRequest("an explanation is expected");
  server.scheduling.answer(info.path.slice(ANSWERS_PATH.length + 1), body.explanation ?? undefined);
  return respondValue(200, {});
}
