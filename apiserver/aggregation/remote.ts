/**
 * Remote: one group and version that another server serves: its connection, and what is known of that server.
 */
import type { IncomingMessage } from "node:http";
import { text as textOf } from "node:stream/consumers";
import { parseJson } from "../../machinery/objects/json.ts";
import type { Clock } from "../../machinery/process/clock.ts";
import { limits } from "../../machinery/process/limits.ts";
import { MASTERS } from "../auth/contract.ts";
import type { ApiResource, RemoteVersion } from "../resources/discovery.ts";
import { identityHeaders } from "./proxy.ts";
import type { RemoteConnection } from "./remote-connection.ts";

export interface RemoteSpec {
  readonly group: string;
  readonly version: string;
  readonly groupPriority: number;
  readonly versionPriority: number;
}

export interface RemoteDocument {
  readonly status: number;
  readonly text: string;
  readonly headers: IncomingMessage["headers"];
}

/** A document of the other server, asked for in this server's own name. */
export async function readDocument(
  connection: RemoteConnection,
  clock: Clock,
  path: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<RemoteDocument> {
  const late = new AbortController();
  const timer = clock.after(limits.remoteDocumentMs, () => late.abort(new Error("context deadline exceeded")));
  try {
    const answer = await connection.send({
      method: "GET",
      path,
      headers: { accept: "application/json", ...identityHeaders(SELF), ...headers },
      signal: late.signal,
    });
    if (answer.kind === "upgraded") {
      answer.backend.destroy();
      throw new Error("the server left HTTP");
    }
    const { response } = answer;
    return { status: response.statusCode ?? 0, text: await bounded(response), headers: response.headers };
  } catch (error) {
    throw late.signal.aborted ? late.signal.reason : error;
  } finally {
    timer.cancel();
  }
}

/** With these rights the answer says something of the server, never of permissions. */
const SELF = { name: "system:kube-aggregator", groups: [MASTERS] };

async function bounded(response: IncomingMessage): Promise<string> {
  let size = 0;
  response.on("data", (chunk: Buffer) => {
    size += chunk.length;
    if (size > limits.webhookAnswerBytes) response.destroy(new Error("the answer is too large"));
  });
  return textOf(response);
}

/** The resources of the group and version. Rejects with the words of the condition FailedDiscoveryCheck. */
export async function discoverRemote(
  connection: RemoteConnection,
  clock: Clock,
  address: string,
  { group, version }: RemoteSpec,
): Promise<readonly ApiResource[]> {
  const path = `/apis/${group}/${version}`;
  const url = `https://${address}${path}`;
  const failing = (why: string) => new Error(`failing or missing response from ${url}: ${why}`);
  let document: RemoteDocument;
  try {
    document = await readDocument(connection, clock, path);
  } catch (error) {
    throw failing(`Get ${JSON.stringify(url)}: ${(error as Error).message}`);
  }
  if (document.status < 200 || document.status >= 300) throw failing(`bad status from ${url}: ${document.status}`);
  try {
    const list = parseJson(document.text) as { readonly resources?: readonly ApiResource[] };
    return list.resources ?? [];
  } catch {
    // It answers, which is all that availability asks; discovery has nothing to tell of it.
    return [];
  }
}

export const undiscovered = (spec: RemoteSpec): RemoteVersion => ({ ...spec, resources: [], fresh: false });
