/**
 * Pull secrets: which credentials a Pod's imagePullSecrets hold for the registry of an image. Pure.
 *
 * The longest matching entry wins; docker.io goes by several names.
 * https://kubernetes.io/docs/tasks/configure-pod-container/pull-image-private-registry/
 */
import type { Secret } from "../../machinery/objects/kinds.ts";
import type { AuthConfig } from "../cri/messages.ts";

interface Entry {
  readonly username?: string;
  readonly password?: string;
  readonly auth?: string;
  readonly identitytoken?: string;
  readonly registrytoken?: string;
}

const HUB = ["docker.io", "index.docker.io", "registry-1.docker.io"];

export function credentialsFor(image: string, secrets: readonly Secret[]): AuthConfig | undefined {
  let best: { readonly length: number; readonly auth: AuthConfig } | undefined;
  for (const secret of secrets) {
    for (const [registry, entry] of Object.entries(entriesOf(secret))) {
      const prefix = registry.replace(/^https?:\/\//, "").replace(/\/(v[12]\/?)?$/, "");
      if (matches(prefix, image) && prefix.length > (best?.length ?? 0)) {
        best = { length: prefix.length, auth: authOf(prefix, entry) };
      }
    }
  }
  return best?.auth;
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
