/**
 * Aggregation contract: other people's API servers behind this one.
 *
 * An APIService (../resources/api-service.ts) that names a Service hands a group and version over to the server behind
 * that Service. This server authenticates, authorizes and audits every request first, and then tells the other one who
 * asks; that one trusts it by the certificate with which it comes (front-proxy.ts).
 */
import type { ResponseRecord } from "../../machinery/client/transport/contract.ts";
import type { KeyPair } from "../../machinery/pki/certificates.ts";
import type { Exchange } from "../request/contract.ts";
import type { RemoteVersion } from "../resources/discovery.ts";
import type { ForeignOpenApi } from "../schema/openapi-foreign.ts";

export interface Aggregation {
  /** How requests for the path are served where another server serves them; undefined where this one does. */
  find(path: string): ServeRemote | undefined;
  /** Group versions that other servers serve, for discovery. */
  versions(): readonly RemoteVersion[];
  /** What those that answer say of themselves in OpenAPI. */
  openApi(): readonly ForeignOpenApi[];
}

export type ServeRemote = (exchange: Exchange) => Promise<ResponseRecord>;

/** By what other servers know this one. */
export interface FrontProxy {
  /** PEM of the authority that they are told to trust. */
  readonly authority: string;
  /** A client certificate of that authority, good for a while at least. */
  identity(): Promise<KeyPair>;
}

/** Its certificate's name: what the other servers are told to expect. */
export const FRONT_PROXY_CLIENT = "front-proxy-client";
