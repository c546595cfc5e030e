/**
 * Join: makes this machine a node of a cluster: whom to trust, who it is, what the cluster's ranges are.
 *
 * Nothing secret is said before the server has proved that it is the token's cluster. May be killed at any step and run
 * again: the key stays, and what is there already is not asked for twice. Once joined it needs no token, whatever the
 * machine's address or host name becomes. What runs then: machinery/cluster; renewal: renew.ts.
 */
import { createClient } from "../client/create-client.ts";
import { type ClusterAccess, httpsTransport } from "../client/transport/https.ts";
import { dns1123Subdomain } from "../objects/names.ts";
import { ApiError } from "../objects/status.ts";
import { createSigningKey, type KeyPair, lifetimeOf } from "../pki/certificates.ts";
import type { Clock } from "../process/clock.ts";
import type { HomePaths } from "../process/home.ts";
import type { Logger } from "../process/logging.ts";
import { factsFrom, NODE_FACTS } from "./cluster-facts.ts";
import { discoverAuthority } from "./discovery.ts";
import { connectionError, JoinError } from "./join-error.ts";
import {
  isOfCluster,
  type NodeComponent,
  type NodeRecord,
  nodeKey,
  nodeSubjects,
  readIdentity,
  readNodeRecord,
  writeIdentity,
  writeNodeRecord,
} from "./node-record.ts";
import { isTokenRefused, obtainCertificate } from "./obtain.ts";
import { type JoinToken, parseJoinToken } from "./token.ts";

export interface JoinOptions {
  readonly paths: HomePaths;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** "https://10.0.0.1:6443" */
  readonly server: string;
  /** Not needed by a machine that has joined already. */
  readonly token: string | undefined;
  /** Undefined: the name it has, or its host's. */
  readonly nodeName: string | undefined;
  readonly hostName: string;
  /** How long its certificates should be good; default: as long as the cluster gives. */
  readonly seconds?: number | undefined;
}

/** Rejects with a JoinError or UsageError that tells what to do. */
export async function joinCluster(options: JoinOptions): Promise<NodeRecord> {
  const server = serverUrl(options.server);
  const token = options.token === undefined ? undefined : parseJoinToken(options.token);
  const known = await readNodeRecord(options.paths);
  if (known) {
    checkSame(known, options, token);
    const left = lifetimeOf((await readIdentity(options.paths, "kubelet"))?.certificate ?? "");
    if (left && left.until > options.clock.now()) return moved(known, server, options.paths);
    options.log.warn("this node's certificate has ended", { until: left && new Date(left.until).toISOString() });
  }
  const nodeName = known?.nodeName ?? chosenName(options);
  if (!token) throw withoutToken(known);

  const authority = await discoverAuthority({ ...options, server, token });
  const place = { server, nodeName, authority };
  const bearer: ClusterAccess = { server, ca: authority, token: `${token.id}.${token.secret}` };
  await withClient(bearer, options, async (client) => {
    const key = await nodeKey(options.paths);
    const wish = { ...nodeSubjects(nodeName).kubelet, key, signer: "node", seconds: options.seconds } as const;
    const certificate = await obtainCertificate(wish, { ...options, client });
    await writeIdentity(options.paths, "kubelet", place, { key, certificate });
  });
  const facts = await asNode(place, options);
  const record: NodeRecord = { ...place, facts, seconds: options.seconds };
  await writeNodeRecord(options.paths, record);
  return record;
}

/** What the node asks for itself, once it is one. */
async function asNode(place: Omit<NodeRecord, "facts">, options: JoinOptions): Promise<NodeRecord["facts"]> {
  const own = (await readIdentity(options.paths, "kubelet")) as KeyPair;
  const access = { server: place.server, ca: place.authority, cert: own.certificate, key: own.key };
  return withClient(access, options, async (client) => {
    for (const component of ["proxy", "dns"] satisfies NodeComponent[]) {
      const key = await createSigningKey();
      const wish = {
        ...nodeSubjects(place.nodeName)[component],
        key,
        signer: "client",
        seconds: options.seconds,
      } as const;
      const certificate = await obtainCertificate(wish, { ...options, client });
      await writeIdentity(options.paths, component, place, { key, certificate });
    }
    return factsFrom((await client.get("configmaps", NODE_FACTS)).data);
  });
}

async function withClient<T>(
  access: ClusterAccess,
  { clock, signal }: JoinOptions,
  work: (client: ReturnType<typeof createClient>) => Promise<T>,
): Promise<T> {
  const transport = httpsTransport({ access, clock });
  try {
    return await work(createClient(transport));
  } catch (error) {
    signal.throwIfAborted();
    if (access.token && isTokenRefused(error))
      throw new JoinError(
        "the server does not take the token: it has expired, was deleted, or was never one of this cluster",
        "make a new one on a server: k8ts token create",
      );
    throw error instanceof ApiError ? connectionError(access.server, error) : error;
  } finally {
    await transport.close();
  }
}

/** A machine is one node of one cluster until it leaves. */
function checkSame(known: NodeRecord, { nodeName }: JoinOptions, token: JoinToken | undefined): void {
  const leave = "leave the cluster first (k8ts agent leave), then join";
  if (token && !isOfCluster(known, token.authorityHash))
    throw new JoinError(`this machine is node ${known.nodeName} of another cluster (${known.server})`, leave);
  if (nodeName !== undefined && nodeName.toLowerCase() !== known.nodeName)
    throw new JoinError(`this machine is node ${known.nodeName} already, not ${nodeName}`, leave);
}

/** The server may have another address now, or another one be meant. */
async function moved(known: NodeRecord, server: string, paths: HomePaths): Promise<NodeRecord> {
  if (known.server === server) return known;
  const record = { ...known, server };
  for (const component of ["kubelet", "proxy", "dns"] satisfies NodeComponent[]) {
    const identity = await readIdentity(paths, component);
    if (identity) await writeIdentity(paths, component, record, identity);
  }
  await writeNodeRecord(paths, record);
  return record;
}

const withoutToken = (known: NodeRecord | undefined): JoinError =>
  known
    ? new JoinError(
        `the certificate of node ${known.nodeName} has ended, so a token is needed once more`,
        "make one on a server (k8ts token create) and start this again with --token; the node stays the same",
      )
    : new JoinError(
        "this machine has not joined a cluster yet, so it needs a token",
        "run 'k8ts token create' on a server: it prints the whole command",
      );

function chosenName({ nodeName, hostName }: JoinOptions): string {
  const name = (nodeName ?? hostName).toLowerCase();
  const [wrong] = dns1123Subdomain(name);
  if (wrong)
    throw new JoinError(`${JSON.stringify(name)} cannot be a node's name: ${wrong}`, "choose one with --node-name");
  return name;
}

function serverUrl(text: string): string {
  const url = URL.parse(text);
  if (url?.protocol !== "https:" || url.pathname !== "/" || url.search || url.hash)
    throw new JoinError(`--server is an address like https://10.0.0.1:6443, not ${JSON.stringify(text)}`, "give that");
  return url.origin;
}
