/**
 * Audit contract: what the pipeline tells of a request as it goes through. Without a policy there is no
 * Audit at all, and a request pays nothing.
 */
import type { RequestRecord, ResponseRecord } from "../../machinery/client/transport/contract.ts";
import type { Attributes, Decision, User } from "../auth/contract.ts";
import type { RequestInfo } from "../request/path.ts";

export interface Audit {
  /** A request arrives. */
  begin(record: RequestRecord, info: RequestInfo): Trail;
}

/** What is told of one request, in this order. */
export interface Trail {
  /** Who asks, and in whose name. */
  known(user: User, acting: User): void;
  decided(attributes: Attributes, decision: Decision): void;
  /** What a plugin has to say about it; the first of a key counts. `withBody`: only where bodies are told. Needs no `this`. */
  annotate(this: void, key: string, value: string, withBody?: boolean): void;
  /** The answer, perhaps wrapped so that its end is seen. `broken` when it came of an error that nobody foresaw. */
  answered(response: ResponseRecord, broken: boolean): ResponseRecord;
}
