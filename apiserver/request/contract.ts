/**
 * Request contract: what every step of the pipeline gets, and what the server lends to all of them.
 *
 * A step is a function from an Exchange to a response or to the next step's input; it keeps no state
 * of its own. The order of the steps stands in handler.ts.
 */
import type { RequestRecord, ResponseRecord } from "../../machinery/client/transport/contract.ts";
import type { KubeObject, StoredObject } from "../../machinery/objects/wire.ts";
import type { Clock } from "../../machinery/process/clock.ts";
import type { Logger } from "../../machinery/process/logging.ts";
import type { Admission, AdmissionRequest, Allocate } from "../admission/contract.ts";
import type { Aggregation } from "../aggregation/contract.ts";
import type { FieldManagement } from "../apply/contract.ts";
import type { Audit } from "../audit/contract.ts";
import type { Attributes, Authorizer, CachedObjects, User } from "../auth/contract.ts";
import type { Rbac } from "../auth/rbac.ts";
import type { Tokens } from "../auth/tokens.ts";
import type { CachedObject, ResourceCache, WatchCache } from "../cache/contract.ts";
import type { NodeMetrics } from "../node-metrics/contract.ts";
import type { ResourceRow, SubresourceRow } from "../resources/contract.ts";
import type { SchedulingDesk } from "../scheduling/desk.ts";
import type { Schema } from "../schema/contract.ts";
import type { Decoders } from "../schema/decode.ts";
import type { OpenApi } from "../schema/openapi.ts";
import type { Protobuf } from "../schema/protobuf.ts";
import type { Tunnels } from "../tunnel/contract.ts";
import type { HealthCheck } from "./health.ts";
import type { ServerMetrics } from "./metrics.ts";
import type { Negotiated } from "./negotiate.ts";
import type { RequestInfo } from "./path.ts";

/** The rows of the table of resources, found by what a request names. */
export interface Resources {
  readonly rows: readonly ResourceRow[];
  /** By group, version and plural. */
  find(group: string, version: string, plural: string): ResourceRow | undefined;
  cache(row: ResourceRow): ResourceCache;
}

export interface Server {
  readonly clock: Clock;
  readonly log: Logger;
  readonly schema: Schema;
  readonly decoders: Decoders;
  readonly protobuf: Protobuf;
  readonly openApi: OpenApi;
  /** Who owns which field: server-side apply, and managedFields on every write. */
  readonly fields: FieldManagement;
  readonly resources: Resources;
  readonly cache: WatchCache;
  readonly objects: CachedObjects;
  readonly authenticate: (request: RequestRecord) => User;
  readonly authorize: Authorizer;
  readonly rbac: Rbac;
  readonly tokens: Tokens;
  readonly admission: Admission;
  /** What else a write must change in its transaction: addresses and ports of a Service. */
  readonly allocate: Allocate;
  readonly tunnels: Tunnels | undefined;
  /** What other API servers serve. */
  readonly aggregation: Aggregation;
  /** Where schedulers are asked why. */
  readonly scheduling: SchedulingDesk;
  /** What nodes and Pods use. */
  readonly nodeMetrics: NodeMetrics;
  readonly metrics: ServerMetrics;
  /** Undefined without a policy. */
  readonly audit: Audit | undefined;
  /** Longest that a request may take which is no watch or stream. */
  readonly requestMs: number;
  readonly checks: readonly HealthCheck[];
  /** Where clients reach the server: "10.0.0.1:6443". */
  readonly address: string;
  /** Aborted when the server shuts down: watches and streams end, new requests are refused. */
  readonly stopping: AbortSignal;
  /** True while what permissions are read from may not be there yet. */
  readonly starting: () => boolean;
}

/** A request with what the steps before found out. */
export interface Exchange {
  readonly server: Server;
  readonly record: RequestRecord;
  readonly info: RequestInfo;
  readonly user: User;
  readonly attributes: Attributes;
  /** Sent as Warning headers; filled by the steps. */
  readonly warnings: string[];
  /** Puts an annotation on the request's audit event; undefined where nothing is audited. */
  readonly annotate?: AdmissionRequest["annotate"];
}

/** An exchange about a resource that exists. */
export interface ResourceExchange extends Exchange {
  readonly row: ResourceRow;
  /** The row of the subresource that the path names. */
  readonly subresource: SubresourceRow | undefined;
  readonly cache: ResourceCache;
  /** The form of the answer, found before anything is written. */
  readonly negotiated: Negotiated;
}

export type Step = (exchange: ResourceExchange) => Promise<ResponseRecord>;

/** One object after a write or read; what respond.ts makes an answer of. */
export interface Outcome {
  readonly status: number;
  readonly object: KubeObject | StoredObject;
  /** The same as it is kept: it has the bytes of its forms. */
  readonly item?: CachedObject;
}

/** "pods" or "deployments.apps", as messages name a resource. */
export const qualified = ({ group, plural }: Pick<ResourceRow, "group" | "plural">): string =>
  group === "" ? plural : `${plural}.${group}`;
