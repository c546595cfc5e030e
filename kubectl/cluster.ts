/**
 * Cluster: the API server that a run talks to, by the kubeconfig and the flags that override it.
 *
 * One object a run; discovery is asked for at most once. Sockets for exec and port-forward are opened
 * here too, since they need the same address and identity as every other request.
 */
import { readFile } from "node:fs/promises";
import { connect as netConnect } from "node:net";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { connect as tlsConnect } from "node:tls";
import { type Kubeconfig, loadKubeconfig, targetOf } from "../machinery/client/kubeconfig.ts";
import type { ClientRequest, WatchEvent } from "../machinery/client/transport/contract.ts";
import { type ClusterAccess, httpsTransport } from "../machinery/client/transport/https.ts";
import type { DialTarget } from "../machinery/streams/dial.ts";
import type { GlobalValues } from "./command.ts";
import { type Discovery, discover } from "./discovery.ts";
import { CommandError } from "./errors.ts";
import type { KubectlIo } from "./io.ts";

export interface Cluster {
  readonly access: ClusterAccess;
  /** Of --namespace or the context. */
  readonly namespace: string;
  /** True when --namespace was given. */
  readonly namespaceGiven: boolean;
  discovery(): Promise<Discovery>;
  request<T = unknown>(request: ClientRequest): Promise<T>;
  watch(request: ClientRequest): AsyncIterable<readonly WatchEvent[]>;
  stream(request: ClientRequest): AsyncIterable<Uint8Array>;
  /** Where a session of exec or port-forward is opened. */
  dialTarget(path: string): Promise<DialTarget>;
  close(): Promise<void>;
}

export interface ClusterOptions {
  readonly globals: GlobalValues;
  readonly io: KubectlIo;
  readonly onWarning: (text: string) => void;
}

export async function openCluster({ globals, io, onWarning }: ClusterOptions): Promise<Cluster> {
  const config = await readKubeconfig(globals, io);
  const target = await targetFor(config, globals);
  const access = await overridden(target.access, globals);
  const transport = httpsTransport({ access, clock: io.clock, onWarning });
  const timeout = seconds(globals["request-timeout"]);
  let discovery: Promise<Discovery> | undefined;
  const limited = (request: ClientRequest) => withTimeout(withAgent(request), timeout, io);
  return {
    access,
    namespace: globals.namespace ?? target.namespace,
    namespaceGiven: globals.namespace !== undefined,
    discovery: () => {
      discovery ??= discover(transport);
      return discovery;
    },
    request: async <T>(request: ClientRequest) => (await transport.request(limited(request))) as T,
    watch: (request) => transport.watch({ signal: io.signal, ...withAgent(request) }),
    stream: (request) => transport.stream({ signal: io.signal, ...withAgent(request) }),
    dialTarget: async (path) => dialTarget(access, path, io.signal),
    close: () => transport.close(),
  };
}

/** The files of --kubeconfig, $KUBECONFIG or ~/.kube/config. */
export function kubeconfigFiles(globals: GlobalValues, io: KubectlIo): readonly string[] {
  if (globals.kubeconfig) return [globals.kubeconfig];
  const listed = (io.env["KUBECONFIG"] ?? "").split(":").filter((file) => file !== "");
  return listed.length > 0 ? listed : [join(io.env["HOME"] ?? "/", ".kube", "config")];
}

const EMPTY: Kubeconfig = { clusters: [], users: [], contexts: [], "current-context": "" };

export async function readKubeconfig(globals: GlobalValues, io: KubectlIo): Promise<Kubeconfig> {
  const files = kubeconfigFiles(globals, io);
  try {
    return await loadKubeconfig(files);
  } catch (error) {
    const message = (error as Error).message;
    if (!message.startsWith("no kubeconfig found")) throw new CommandError(`error loading config file: ${message}`);
    if (globals.kubeconfig) throw new CommandError(`stat ${globals.kubeconfig}: no such file or directory`);
    return EMPTY;
  }
}

const UNSET_SERVER = "http://localhost:8080";

async function targetFor(config: Kubeconfig, globals: GlobalValues) {
  const { context, cluster, user } = globals;
  if (config.contexts.length === 0 && !context && !cluster) {
    return { access: { server: globals.server ?? UNSET_SERVER } as ClusterAccess, namespace: "default" };
  }
  try {
    return await targetOf(config, { context, cluster, user });
  } catch (error) {
    throw new CommandError((error as Error).message);
  }
}

async function overridden(access: ClusterAccess, globals: GlobalValues): Promise<ClusterAccess> {
  const file = async (path: string | undefined) => (path ? await readFile(path, "utf8") : undefined);
  const set = {
    server: globals.server?.replace(/^(?!https?:\/\/)/, "http://"),
    token: globals.token,
    ca: await file(globals["certificate-authority"]),
    cert: await file(globals["client-certificate"]),
    key: await file(globals["client-key"]),
    tlsServerName: globals["tls-server-name"],
    insecureSkipTlsVerify: globals["insecure-skip-tls-verify"] || undefined,
    impersonate: globals.as ? { user: globals.as, groups: globals["as-group"] } : undefined,
  };
  const given = Object.entries(set).filter(([, value]) => value !== undefined);
  return { ...access, ...Object.fromEntries(given) };
}

function seconds(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text);
  if (!match)
    throw new CommandError(
      `Invalid timeout value. Timeout must be a single integer in seconds, or an integer followed by a corresponding time unit (e.g. 1s | 2m | 3h)`,
    );
  const unit = { ms: 0.001, s: 1, m: 60, h: 3600 }[match[2] ?? "s"] ?? 1;
  return Number(match[1]) * unit;
}

/** Who writes, where the request names no field manager. */
function withAgent(request: ClientRequest): ClientRequest {
  return { ...request, headers: { "user-agent": `kubectl/${process.version}`, ...request.headers } };
}

function withTimeout(request: ClientRequest, timeout: number, { clock, signal }: KubectlIo): ClientRequest {
  const own = request.signal ?? signal;
  if (timeout === 0) return { ...request, signal: own };
  const late = new AbortController();
  clock.after(timeout * 1000, () => late.abort(new CommandError("context deadline exceeded")), { background: true });
  return { ...request, signal: AbortSignal.any([own, late.signal]) };
}

async function dialTarget(access: ClusterAccess, path: string, signal: AbortSignal): Promise<DialTarget> {
  const url = new URL(access.server);
  const headers: Record<string, string> = {};
  const token = access.tokenFile ? (await readFile(access.tokenFile, "utf8")).trim() : access.token;
  if (token) headers["authorization"] = `Bearer ${token}`;
  if (access.impersonate) headers["impersonate-user"] = access.impersonate.user;
  return {
    connect: () => openSocket(access, url),
    host: url.host,
    path: `${url.pathname.replace(/\/+$/, "")}${path}`,
    headers,
    signal,
  };
}

function openSocket(access: ClusterAccess, url: URL): Duplex {
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const port = Number(url.port || (url.protocol === "https:" ? 443 : 80));
  if (url.protocol !== "https:") return netConnect({ host, port });
  const { ca, cert, key } = access;
  return tlsConnect({
    host,
    port,
    ALPNProtocols: ["http/1.1"],
    rejectUnauthorized: !access.insecureSkipTlsVerify,
    ...(access.tlsServerName ? { servername: access.tlsServerName } : {}),
    ...(ca ? { ca } : {}),
    ...(cert && key ? { cert, key } : {}),
  });
}
