/**
 * Kubeconfig: reads the files that say where clusters are and who the user is.
 *
 * Several files merge as in kubectl: the first that names a cluster, user or context wins.
 * Credentials are never logged. What is not supported (exec plugins, proxies) is refused in clear words.
 * https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/
 */
import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { readOneYaml } from "../yaml.ts";
import type { ClusterAccess } from "./transport/https.ts";

interface Named {
  readonly name: string;
}
export interface KubeconfigCluster extends Named {
  readonly cluster: {
    readonly server?: string;
    readonly "certificate-authority"?: string;
    readonly "certificate-authority-data"?: string;
    readonly "insecure-skip-tls-verify"?: boolean;
    readonly "tls-server-name"?: string;
    readonly "proxy-url"?: string;
  };
}
export interface KubeconfigUser extends Named {
  readonly user: {
    readonly "client-certificate"?: string;
    readonly "client-certificate-data"?: string;
    readonly "client-key"?: string;
    readonly "client-key-data"?: string;
    readonly token?: string;
    readonly tokenFile?: string;
    readonly username?: string;
    readonly password?: string;
    readonly as?: string;
    readonly "as-groups"?: readonly string[];
    readonly exec?: unknown;
    readonly "auth-provider"?: unknown;
  };
}
export interface KubeconfigContext extends Named {
  readonly context: { readonly cluster?: string; readonly user?: string; readonly namespace?: string };
}
export interface Kubeconfig {
  readonly clusters: readonly KubeconfigCluster[];
  readonly users: readonly KubeconfigUser[];
  readonly contexts: readonly KubeconfigContext[];
  readonly "current-context": string;
}

/** What a caller may choose instead of the current context's own. */
export interface Choice {
  readonly context?: string | undefined;
  readonly cluster?: string | undefined;
  readonly user?: string | undefined;
}

export interface Target {
  readonly access: ClusterAccess;
  /** The context's namespace, "default" where it has none. */
  readonly namespace: string;
}

export class KubeconfigError extends Error {
  override readonly name = "KubeconfigError";
}

/** Reads and merges files; those that do not exist are skipped unless there is no other. */
export async function loadKubeconfig(files: readonly string[]): Promise<Kubeconfig> {
  const parts: Kubeconfig[] = [];
  for (const file of files) {
    const text = await textOf(file);
    if (text !== undefined) parts.push(parseKubeconfig(text, file));
  }
  if (parts.length === 0) throw new KubeconfigError(`no kubeconfig found: ${files.join(", ")}`);
  return {
    clusters: merged(parts.flatMap(({ clusters }) => clusters)),
    users: merged(parts.flatMap(({ users }) => users)),
    contexts: merged(parts.flatMap(({ contexts }) => contexts)),
    "current-context": parts.map((part) => part["current-context"]).find(Boolean) ?? "",
  };
}

/** One file's content; relative paths in it start from its own directory. */
export function parseKubeconfig(text: string, file: string): Kubeconfig {
  let value: Partial<Kubeconfig> | null;
  try {
    value = (readOneYaml(text) ?? null) as Partial<Kubeconfig> | null;
  } catch (error) {
    throw new KubeconfigError(`${file} is not a kubeconfig: ${(error as Error).message}`);
  }
  if (value !== null && typeof value !== "object") throw new KubeconfigError(`${file} is not a kubeconfig`);
  const directory = dirname(resolve(file));
  return {
    clusters: (value?.clusters ?? []).map((one) => ({ ...one, cluster: absolute(one.cluster ?? {}, directory) })),
    users: (value?.users ?? []).map((one) => ({ ...one, user: absolute(one.user ?? {}, directory) })),
    contexts: value?.contexts ?? [],
    "current-context": value?.["current-context"] ?? "",
  };
}

/** Where and as whom, with the files that the configuration names read. */
export async function targetOf(config: Kubeconfig, choice: Choice = {}): Promise<Target> {
  const contextName = choice.context ?? config["current-context"];
  const context = contextName ? find(config.contexts, "context", contextName).context : {};
  const clusterName = choice.cluster ?? context.cluster;
  const userName = choice.user ?? context.user;
  if (!clusterName) throw new KubeconfigError("no cluster chosen: current-context is not set");
  const { cluster } = find(config.clusters, "cluster", clusterName);
  const user = userName ? find(config.users, "user", userName).user : {};
  if (!cluster.server) throw new KubeconfigError(`cluster "${clusterName}" has no server`);
  if (cluster["proxy-url"]) throw new KubeconfigError(`cluster "${clusterName}": proxy-url is not supported`);
  if (user.exec || user["auth-provider"])
    throw new KubeconfigError(`user "${userName}": credential plugins are not supported`);
  return {
    namespace: context.namespace || "default",
    access: {
      server: cluster.server,
      ca: await pem(cluster["certificate-authority-data"], cluster["certificate-authority"]),
      insecureSkipTlsVerify: cluster["insecure-skip-tls-verify"],
      tlsServerName: cluster["tls-server-name"],
      cert: await pem(user["client-certificate-data"], user["client-certificate"]),
      key: await pem(user["client-key-data"], user["client-key"]),
      token: user.token,
      tokenFile: user.tokenFile,
      basic: user.username ? { username: user.username, password: user.password ?? "" } : undefined,
      impersonate: user.as ? { user: user.as, groups: user["as-groups"] ?? [] } : undefined,
    },
  };
}

/** The target of one kubeconfig file: what components start with. */
export async function targetFromFile(file: string): Promise<Target> {
  return targetOf(await loadKubeconfig([file]));
}

async function textOf(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new KubeconfigError(`cannot read ${file}: ${(error as Error).message}`);
  }
}

const PATHS = new Set(["certificate-authority", "client-certificate", "client-key", "tokenFile"]);

function absolute<T extends object>(fields: T, directory: string): T {
  const entries = Object.entries(fields).map(([name, value]) =>
    PATHS.has(name) && typeof value === "string" && value !== "" ? [name, resolve(directory, value)] : [name, value],
  );
  return Object.fromEntries(entries) as T;
}

function merged<T extends Named>(all: readonly T[]): T[] {
  const first = new Map<string, T>();
  for (const one of all) if (!first.has(one.name)) first.set(one.name, one);
  return [...first.values()];
}

function find<T extends Named>(all: readonly T[], what: string, name: string): T {
  const found = all.find((one) => one.name === name);
  if (!found) throw new KubeconfigError(`${what} "${name}" does not exist`);
  return found;
}

async function pem(data: string | undefined, file: string | undefined): Promise<string | undefined> {
  if (data) return Buffer.from(data, "base64").toString("utf8");
  if (!file) return undefined;
  const text = await textOf(file);
  if (text === undefined) throw new KubeconfigError(`${file} does not exist`);
  return text;
}
