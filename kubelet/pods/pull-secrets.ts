/**
 * Pull secrets: which credentials a Pod's imagePullSecrets hold for the registry of an image. Pure.
 *
 * They are tried in turn, the longest matching entry first; docker.io goes by several names.
 * https://kubernetes.io/docs/tasks/configure-pod-container/pull-image-private-registry/
 */
import { createHash } from "node:crypto";
import type { Secret } from "../../machinery/objects/kinds.ts";
import type { AuthConfig } from "../cri/messages.ts";
import type { Credential } from "../images/pull-records.ts";

interface Entry {
  readonly username?: string;
  readonly password?: string;
  readonly auth?: string;
  readonly identitytoken?: string;
  readonly registrytoken?: string;
}

const HUB = ["docker.io", "index.docker.io", "registry-1.docker.io"];

export interface PullCredential extends Credential {
  readonly auth: AuthConfig;
}

/** Those that may serve for the image, the most fitting first. */
export function credentialsFor(image: string, secrets: readonly Secret[]): readonly PullCredential[] {
  const found = secrets.flatMap((secret) =>
    Object.entries(entriesOf(secret)).flatMap(([registry, entry]) => {
      const prefix = registry.replace(/^https?:\/\//, "").replace(/\/(v[12]\/?)?$/, "");
      return matches(prefix, image) ? [credentialOf(secret, authOf(prefix, entry))] : [];
    }),
  );
  const length = ({ auth }: PullCredential) => auth.serverAddress?.length ?? 0;
  return found.toSorted((a, b) => length(b) - length(a));
}

function credentialOf({ metadata }: Secret, auth: AuthConfig): PullCredential {
  const { uid, namespace = "", name } = metadata;
  const { serverAddress: _address, ...words } = auth;
  const hash = createHash("sha256").update(JSON.stringify(words)).digest("hex");
  return { auth, hash, secret: { uid, namespace, name } };
}

/** A secret that cannot be read holds no credentials. */
function entriesOf({ type, data = {} }: Secret): Readonly<Record<string, Entry>> {
  const modern = type === "kubernetes.io/dockerconfigjson";
  const encoded = data[modern ? ".dockerconfigjson" : ".dockercfg"];
  if (encoded === undefined) return {};
  try {
    const parsed = JSON.parse(Buffer.from(encoded, "base64").toString("utf8")) as Record<string, unknown>;
    return ((modern ? parsed["auths"] : parsed) ?? {}) as Readonly<Record<string, Entry>>;
  } catch {
    return {};
  }
}

function matches(prefix: string, image: string): boolean {
  const [host = "", ...path] = prefix.split("/");
  const [imageHost, imagePath] = splitImage(image);
  const sameHost = HUB.includes(host) ? HUB.includes(imageHost) : hostMatches(host, imageHost);
  return sameHost && (path.length === 0 || imagePath.startsWith(path.join("/")));
}

/** "*.example.com" stands for one label. */
function hostMatches(pattern: string, host: string): boolean {
  const want = pattern.split(".");
  const have = host.split(".");
  return want.length === have.length && want.every((label, index) => label === "*" || label === have[index]);
}

function splitImage(image: string): readonly [host: string, path: string] {
  const slash = image.indexOf("/");
  const first = slash < 0 ? "" : image.slice(0, slash);
  const isHost = first.includes(".") || first.includes(":") || first === "localhost";
  return isHost ? [first, image.slice(slash + 1)] : ["docker.io", image];
}

function authOf(serverAddress: string, { username, password, auth, identitytoken, registrytoken }: Entry): AuthConfig {
  const [user, ...rest] = auth === undefined ? [] : Buffer.from(auth, "base64").toString("utf8").split(":");
  return {
    serverAddress,
    username: username ?? user ?? "",
    password: password ?? rest.join(":"),
    ...(identitytoken ? { identityToken: identitytoken } : {}),
    ...(registrytoken ? { registryToken: registrytoken } : {}),
  };
}
