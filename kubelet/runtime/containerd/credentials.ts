/**
 * Credentials: the registries' user names and passwords that belong to this node.
 *
 * A pull that brings its own (from a Pod's imagePullSecrets) keeps them. The file has the format of
 * Docker's config.json and is read at each pull, so that a change counts at once. It is never logged.
 */
import { readFileSync } from "node:fs";
import type { Request } from "../../cri/contract.ts";
import { CriError } from "../../cri/errors.ts";
import type { AuthConfig } from "../../cri/messages.ts";
import { parseReference } from "../../images/reference.ts";

interface DockerConfig {
  readonly auths?: Readonly<
    Record<string, { auth?: string; username?: string; password?: string; identitytoken?: string }>
  >;
}

/** What Docker's config.json calls docker.io. */
const ALIASES: Readonly<Record<string, readonly string[]>> = {
  "docker.io": ["docker.io", "index.docker.io", "registry-1.docker.io"],
};

export function credentialsFor(file: string, { image, auth }: Request<"PullImage">): { readonly auth?: AuthConfig } {
  if (auth) return { auth: auth.serverAddress ? { ...auth, serverAddress: addressOf(auth.serverAddress) } : auth };
  const registry = parseReference(image.image)?.registry;
  const config = read(file);
  if (!registry || !config?.auths) return {};
  const hosts = ALIASES[registry] ?? [registry];
  const found = Object.entries(config.auths).find(([key]) => hosts.includes(hostOf(key)));
  if (!found) return {};
  const { auth: encoded, username, password, identitytoken } = found[1];
  return {
    auth: {
      serverAddress: addressOf(registry),
      ...(encoded && { auth: encoded }),
      ...(username && { username }),
      ...(password && { password }),
      ...(identitytoken && { identityToken: identitytoken }),
    },
  };
}

/** containerd takes a URL, and credentials for no other host than the one it speaks to in the end. */
function addressOf(server: string): string {
  const host = hostOf(server);
  const speaksTo = (ALIASES["docker.io"] ?? []).includes(host) ? "registry-1.docker.io" : host;
  return `https://${speaksTo}`;
}

/** "https://index.docker.io/v1/" ► "index.docker.io" */
function hostOf(server: string): string {
  return server.replace(/^https?:\/\//, "").split("/")[0] ?? "";
}

function read(file: string): DockerConfig | undefined {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as DockerConfig;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new CriError("FailedPrecondition", `${file} cannot be read as registry credentials`, { cause: error });
  }
}
