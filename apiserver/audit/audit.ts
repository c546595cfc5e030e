/**
 * Audit: follows requests and writes those events that the policy asks for.
 *
 * What a policy does not ask for is not even made. Objects are taken as they are at the moment of writing;
 * secrets stand in the log where the policy says Request or RequestResponse for them: that is the policy's doing.
 */
import type { RequestRecord, ResponseBody, ResponseRecord } from "../../machinery/client/transport/contract.ts";
import type { Clock } from "../../machinery/process/clock.ts";
import type { Metrics } from "../../machinery/process/metrics.ts";
import type { User } from "../auth/contract.ts";
import type { RequestInfo } from "../request/path.ts";
import type { Audit, Trail } from "./contract.ts";
import { annotationsOf, baseEvent, objectOf, refOf, statusOf, withoutManagedFields } from "./event.ts";
import type { AuditLog } from "./log-file.ts";
import { type AuditPolicy, LEVELS, type Level, type Stage } from "./policy.ts";

export interface AuditOptions {
  readonly policy: AuditPolicy;
  readonly sink: AuditLog;
  readonly clock: Clock;
  readonly metrics: Metrics;
  /** The body of a request as a value; undefined where there is none or it cannot be read. */
  readonly read: (record: RequestRecord) => unknown;
}

const atLeast = (level: Level, wanted: Level): boolean => LEVELS.indexOf(level) >= LEVELS.indexOf(wanted);

export function createAudit({ policy, sink, clock, metrics, read }: AuditOptions): Audit {
  const events = metrics.counter("apiserver_audit_event_total", "Audit events written.").of();
  const errors = metrics.counter("apiserver_audit_error_total", "Audit events that were lost.", ["plugin"]).of("log");
  metrics.onRead(() => {
    errors.value = sink.lost;
  });
  const levels = metrics.counter("apiserver_audit_level_total", "Requests by audit level.", ["level"]);

  return { begin: trail };

  function trail(record: RequestRecord, info: RequestInfo): Trail {
    const received = clock.now();
    const annotations = new Map<string, string>();
    let user: User | undefined;
    let acting: User | undefined;
    let verdict = policy.decide(info, undefined);
    let asked: unknown;

    const tell = (stage: Stage, response?: ResponseRecord): void => {
      if (verdict.level === "None" || verdict.omitStages.has(stage)) return;
      const full = atLeast(verdict.level, "RequestResponse") && stage !== "RequestReceived";
      const strip = (value: unknown) => (verdict.omitManagedFields ? withoutManagedFields(value) : value);
      const answer = response && objectOf(response);
      const event = {
        ...baseEvent(verdict.level, stage, record, info, user, acting),
        ...(info.isResource ? { objectRef: refOf(info, asked ?? answer) } : {}),
        ...(response ? { responseStatus: statusOf(response, answer) } : {}),
        ...(atLeast(verdict.level, "Request") && stage !== "RequestReceived" && asked !== undefined
          ? { requestObject: strip(asked) }
          : {}),
        ...(full && answer !== undefined ? { responseObject: strip(answer) } : {}),
        requestReceivedTimestamp: micros(received),
        stageTimestamp: micros(clock.now()),
        ...(annotations.size > 0 ? { annotations: Object.fromEntries(annotations) } : {}),
      };
      events.value++;
      sink.write(`${JSON.stringify(event)}\n`);
    };

    return {
      known(who, inWhoseName) {
        user = who;
        if (inWhoseName !== who) acting = inWhoseName;
        verdict = policy.decide(info, who);
        levels.of(verdict.level).value++;
        if (verdict.level === "None") return;
        const needed = atLeast(verdict.level, "Request") || (info.verb === "create" && info.name === "");
        if (needed && info.isResource) asked = read(record);
        tell("RequestReceived");
      },
      decided(_attributes, decision) {
        if (verdict.level === "None") return;
        for (const [key, value] of annotationsOf(decision)) annotations.set(key, value);
      },
      annotate(key, value, withBody = false) {
        if (verdict.level === "None" || (withBody && verdict.level === "Metadata")) return;
        if (!annotations.has(key)) annotations.set(key, value);
      },
      answered(response, broken) {
        if (verdict.level === "None") return response;
        const end = (stage: Stage) => tell(stage, response);
        if (!user) end("ResponseStarted");
        else if (broken) end("Panic");
        else if (isLong(response.body)) {
          end("ResponseStarted");
          return { ...response, body: followed(response.body, () => end("ResponseComplete")) };
        } else end("ResponseComplete");
        return response;
      },
    };
  }
}

const isLong = ({ kind }: ResponseBody): boolean => kind === "watch" || kind === "stream" || kind === "upgrade";

/** The same body, with its end told once. */
function followed(body: ResponseBody, ended: () => void): ResponseBody {
  if (body.kind === "watch") return { ...body, batches: until(body.batches, ended) };
  if (body.kind === "stream") return { ...body, chunks: until(body.chunks, ended) };
  if (body.kind !== "upgrade") return body;
  return {
    kind: "upgrade",
    accept(socket, head) {
      socket.once("close", ended);
      body.accept(socket, head);
    },
  };
}

async function* until<T>(source: AsyncIterable<T>, ended: () => void): AsyncIterable<T> {
  try {
    yield* source;
  } finally {
    ended();
  }
}

/** RFC 3339 with microseconds, of which the clock knows milliseconds. */
const micros = (ms: number): string => `${new Date(ms).toISOString().slice(0, -1)}000Z`;
