/**
 * The API server as a process: its flags, its store and keys, its listeners around create-apiserver.ts.
 *
 * `startApiserver` is for whoever composes it with controllers and scheduler in one process;
 * `apiserverComponent` runs it alone. What is opened here is closed here, in the opposite order.
 */
import { readFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { hostname } from "node:os";
import { dailyIdentity, ensureFrontProxyAuthority } from "../machinery/pki/front-proxy.ts";
import { ensurePki, type Pki } from "../machinery/pki/pki.ts";
import type { Clock } from "../machinery/process/clock.ts";
import { type ComponentContext, defineComponent, type FlagValues } from "../machinery/process/component.ts";
import { type HomePaths, homePaths } from "../machinery/process/home.ts";
import { nthAddress } from "./admission/service-ranges.ts";
import { defaultRouteAddress } from "./advertise-address.ts";
import { FRONT_PROXY_CLIENT, type FrontProxy } from "./aggregation/contract.ts";
import { MASTERS } from "./auth/contract.ts";
import type { TokenOptions } from "./auth/tokens.ts";
import { APISERVER_USER, type Apiserver, createApiserver, DEFAULT_SERVICE_CIDR } from "./create-apiserver.ts";
import { openStore } from "./open-store.ts";
import { followOwnAddress } from "./own-address.ts";
import { keepKeysGood } from "./renewed-keys.ts";
import type { Listening } from "./request/http.ts";
import type { AuditTarget } from "./request/server.ts";
import { loadSchema } from "./schema/load.ts";
import type { PeerIdentity } from "./servers/peers.ts";

export const apiserverFlags = {
  listen: { type: "string", default: "0.0.0.0", value: "ADDRESS", help: "address to listen on" },
  port: { type: "number", default: 6443, value: "PORT", help: "port to listen on, 0 for any that is free" },
  "unix-socket": {
    type: "string",
    value: "FILE",
    help: "also listen on a unix socket; its file mode is the permission",
  },
  "advertise-address": {
    type: "string",
    value: "ADDRESS",
    help: "address by which Pods and other machines reach this server (default: that of the default route)",
  },
  "tls-san": {
    type: "string",
    multiple: true,
    value: "NAME",
    help: "another name or address for the serving certificate",
  },
  store: { type: "string", default: "embedded", value: "KIND", help: "memory, embedded or etcd" },
  "data-dir": {
    type: "string",
    value: "DIRECTORY",
    help: "where the embedded store lies (default: store in the home)",
  },
  "etcd-servers": {
    type: "string",
    multiple: true,
    value: "URL",
    help: "etcd's client addresses, for --store etcd",
  },
  "service-cidr": {
    type: "string",
    default: DEFAULT_SERVICE_CIDR,
    value: "CIDR",
    help: "addresses of Services: one range, or an IPv4 and an IPv6 one with a comma",
  },
  "cluster-cidr": {
    type: "string",
    default: "10.42.0.0/16",
    value: "CIDR",
    help: "range of all Pod addresses, as nodes that join are told",
  },
  "node-port-range": {
    type: "string",
    default: "30000-32767",
    value: "FIRST-LAST",
    help: "ports of NodePort Services",
  },
  "service-account-issuer": {
    type: "string",
    multiple: true,
    value: "URL",
    help: "who tokens of service accounts are from: the first in new ones, all are taken",
  },
  "api-audiences": {
    type: "string",
    multiple: true,
    value: "NAME",
    help: "whom a token must be for to be taken here (default: the issuers)",
  },
  "service-account-key-file": {
    type: "string",
    multiple: true,
    value: "FILE",
    help: "PEM of a former key whose tokens are still taken, EC P-256 or RSA",
  },
  "audit-policy-file": {
    type: "string",
    value: "FILE",
    help: "which requests are written to the audit log (audit.k8s.io/v1 Policy)",
  },
  "audit-log-path": { type: "string", value: "FILE", help: "where audit events are written, - for standard output" },
  "audit-log-maxsize": { type: "number", default: 100, value: "MB", help: "the audit log is rotated at this size" },
  "audit-log-maxbackup": { type: "number", default: 10, value: "N", help: "rotated audit logs to keep, 0 for all" },
  "audit-log-maxage": { type: "number", default: 0, value: "DAYS", help: "days to keep them, 0 for ever" },
  "request-timeout": {
    type: "number",
    default: 60,
    value: "SECONDS",
    help: "longest that a request may take which is no watch or stream",
  },
  "shutdown-delay-duration": {
    type: "number",
    default: 0,
    value: "SECONDS",
    help: "how long it serves on, no longer ready, after it was told to stop",
  },
  "certificate-duration": {
    type: "number",
    value: "SECONDS",
    help: "how long this server's certificate and those of its machine's components are good (default: a year)",
  },
  "node-name": {
    type: "string",
    value: "NAME",
    help: "this machine's node, for which a kubelet identity is made (default: the host name)",
  },
} as const;

export type ApiserverFlags = FlagValues<typeof apiserverFlags>;

export interface RunningApiserver extends Pick<Apiserver, "handler" | "tunnels" | "scheduling" | "metrics"> {
  readonly port: number;
  readonly pki: Pki;
  close(): Promise<void>;
}

export const apiserverComponent = defineComponent({
  name: "apiserver",
  summary: "The API server: stores objects, serves them, tells everyone of changes.",
  flags: apiserverFlags,
  stopsLater: (flags) => flags["shutdown-delay-duration"] * 1000,
  async run(flags, context) {
    try {
      const server = await startApiserver(flags, context);
      context.ready();
      await aborted(context.signal);
      await server.close();
    } catch (error) {
      if (!context.signal.aborted) throw error;
    }
  },
});

export async function startApiserver(
  flags: ApiserverFlags,
  context: Omit<ComponentContext, "ready" | "signal"> & { readonly signal?: AbortSignal },
): Promise<RunningApiserver> {
  const { clock, log, home, signal } = context;
  const paths = homePaths(home);
  if (flags.port === 0) flags = { ...flags, port: await freePort(flags.listen) };
  let advertiseAddress = flags["advertise-address"] ?? (await defaultRouteAddress());
  const serviceCidr = flags["service-cidr"];
  const opened: (() => Promise<void>)[] = [];
  const close = async () => {
    for (const one of opened.splice(0).reverse()) await one();
  };
  try {
    const [pki, schema] = await Promise.all([
      keys(flags, context, advertiseAddress),
      loadSchema({ cacheDir: paths.cache, log }),
    ]);
    const store = await openStore({
      kind: flags.store,
      directory: flags["data-dir"] ?? paths.store,
      etcdServers: flags["etcd-servers"] ?? [],
      clock,
      log,
    });
    opened.push(() => store.close());
    const audit = await auditOf(flags, context);
    if (audit) opened.push(() => audit.sink.close());
    const shared = flags.store === "etcd";
    const apiserver = createApiserver({
      audit,
      shared,
      peers: shared ? peerIdentity(pki, clock) : undefined,
      frontProxy: await frontProxyOf(paths, clock),
      clientAuthority: pki.authority.certificate,
      requestMs: flags["request-timeout"] * 1000,
      store,
      schema,
      clock,
      log,
      tokenKey: pki.tokenKey,
      tokens: await tokenOptions(flags),
      serviceCidr,
      nodePorts: portRange(flags["node-port-range"]),
      advertiseAddress,
      port: flags.port,
      joining: { authority: pki.authority.certificate, clusterCidr: flags["cluster-cidr"] },
    });
    const listening: Listening[] = [];
    opened.push(async () => {
      apiserver.leave();
      await clock.sleep(flags["shutdown-delay-duration"] * 1000);
      // Watches end by the server's own stop, so that draining does not wait for them.
      const closing = Promise.all(listening.map((one) => one.close()));
      await apiserver.close();
      await closing;
    });
    await listen(flags, context, apiserver, pki, listening);
    const stopping = new AbortController();
    const load = () => keys(flags, context, advertiseAddress);
    const renewing = keepKeysGood({ first: pki, load, listening, clock, log, signal: stopping.signal });
    const onMoved = async (address: string) => {
      advertiseAddress = address;
      const { serving } = await load();
      for (const one of listening) one.serveWith?.(serving);
      await apiserver.moved(address);
    };
    const follows = flags["advertise-address"] === undefined;
    const following = follows
      ? followOwnAddress({ first: advertiseAddress, onMoved, clock, log, signal: stopping.signal })
      : undefined;
    opened.push(async () => {
      stopping.abort();
      await Promise.all([renewing, following]);
    });
    await apiserver.start(signal);
    const port = listening[0]?.port ?? flags.port;
    log.info("serving", { address: `${flags.listen}:${port}`, store: flags.store });
    const { handler, tunnels, scheduling, metrics } = apiserver;
    return { handler, tunnels, scheduling, metrics, port, pki, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function tokenOptions(flags: ApiserverFlags): Promise<TokenOptions> {
  const given = (list: readonly string[] | undefined) => (list && list.length > 0 ? list : undefined);
  const issuers = given(flags["service-account-issuer"]);
  for (const issuer of issuers ?? []) checkIssuer(issuer);
  const files = flags["service-account-key-file"] ?? [];
  const keys = await Promise.all(files.map((file) => readFile(file, "utf8")));
  return { issuers, audiences: given(flags["api-audiences"]), keys };
}

/** As OpenID asks for it, so that others find the keys. */
function checkIssuer(issuer: string): void {
  const url = URL.parse(issuer);
  if (url?.protocol !== "https:" || url.search || url.hash)
    throw new Error(`--service-account-issuer ${issuer}: must be an https URL without query and fragment`);
}

function keys(
  flags: ApiserverFlags,
  { clock, log, home }: Pick<ComponentContext, "clock" | "log" | "home">,
  advertiseAddress: string,
): Promise<Pki> {
  const isAddress = (name: string) => /^[\d.]+$|:/.test(name);
  const extra = flags["tls-san"] ?? [];
  const host = hostname().toLowerCase();
  const service = "kubernetes.default.svc";
  const listen = flags.listen === "0.0.0.0" || flags.listen === "::" ? [] : [flags.listen];
  return ensurePki({
    paths: homePaths(home),
    clock,
    log,
    server: `https://${listen[0] ?? "127.0.0.1"}:${flags.port}`,
    nodeName: flags["node-name"] ?? host,
    seconds: flags["certificate-duration"],
    dnsNames: [
      "localhost",
      "kubernetes",
      "kubernetes.default",
      service,
      `${service}.cluster.local`,
      host,
      ...extra.filter((name) => !isAddress(name)),
    ],
    addresses: [
      ...new Set([
        "127.0.0.1",
        ...listen,
        advertiseAddress,
        nthAddress(flags["service-cidr"], 1),
        ...extra.filter(isAddress),
      ]),
    ],
  });
}

async function listen(
  flags: ApiserverFlags,
  { clock, log }: Pick<ComponentContext, "clock" | "log">,
  { handler, metrics }: Apiserver,
  pki: Pki,
  listening: Listening[],
): Promise<void> {
  const [{ listenTls, listenUnix }, { createInFlight }] = await Promise.all([
    import("./request/http.ts"),
    import("./request/in-flight.ts"),
  ]);
  const common = { handler, clock, log, inFlight: createInFlight({ clock, metrics }) };
  listening.push(
    await listenTls({
      ...common,
      host: flags.listen,
      port: flags.port,
      certificate: pki.serving.certificate,
      key: pki.serving.key,
      clientAuthority: pki.authority.certificate,
    }),
  );
  const path = flags["unix-socket"];
  if (path === undefined) return;
  const peer = { kind: "direct", user: APISERVER_USER, groups: [MASTERS] } as const;
  listening.push(await listenUnix({ ...common, path, peer }));
}

/** A certificate of this process alone; the authority that it shares with the others makes it good. */
function peerIdentity({ authority }: Pki, clock: Clock): PeerIdentity {
  const subject = { commonName: APISERVER_USER, organizations: [MASTERS] };
  return { authority: authority.certificate, identity: dailyIdentity(clock, authority, subject) };
}

async function frontProxyOf(paths: HomePaths, clock: Clock): Promise<FrontProxy> {
  const authority = await ensureFrontProxyAuthority(paths, clock);
  const identity = dailyIdentity(clock, authority, { commonName: FRONT_PROXY_CLIENT });
  return { authority: authority.certificate, identity };
}

/** Undefined unless both policy and path are given: as in Kubernetes each needs the other. */
async function auditOf(
  flags: ApiserverFlags,
  { clock, log }: Pick<ComponentContext, "clock" | "log">,
): Promise<AuditTarget | undefined> {
  const { "audit-policy-file": file, "audit-log-path": path } = flags;
  if (file === undefined && path === undefined) return undefined;
  if (file === undefined || path === undefined) throw new Error("--audit-policy-file and --audit-log-path go together");
  const { readAudit } = await import("./audit/read-audit.ts");
  return readAudit({
    policyFile: file,
    path,
    maxBytes: flags["audit-log-maxsize"] * 1024 * 1024,
    maxBackups: flags["audit-log-maxbackup"],
    maxAgeDays: flags["audit-log-maxage"],
    clock,
    log,
  });
}

function portRange(text: string): readonly [number, number] {
  const [first, last] = text.split("-").map(Number);
  if (first === undefined || last === undefined || !(first > 0 && first <= last && last < 65536))
    throw new Error(`--node-port-range: "${text}" is not FIRST-LAST`);
  return [first, last];
}

/** Chosen before listening: the port stands in kubeconfigs and in the kubernetes Service. */
async function freePort(host: string): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, host, resolve);
  });
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
