/**
 * Reference: image names, as people write them and as they are kept.
 *
 * "nginx" is docker.io/library/nginx:latest. Only here is that rule written down; everything that
 * keeps or compares names uses the full form.
 */

export interface ImageReference {
  /** "docker.io", "localhost:5000" */
  readonly registry: string;
  /** "library/nginx" */
  readonly repository: string;
  readonly tag?: string;
  /** "sha256:…" */
  readonly digest?: string;
}

const DEFAULT_REGISTRY = "docker.io";
const COMPONENT = /^[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*$/;
const TAG = /^\w[\w.-]{0,127}$/;
const DIGEST = /^[a-z0-9]+(?:[+._-][a-z0-9]+)*:[0-9a-fA-F]{32,}$/;

/** Undefined when it is not a valid name. */
export function parseReference(name: string): ImageReference | undefined {
  const [named = "", digest, ...more] = name.split("@");
  if (more.length > 0 || (digest !== undefined && !DIGEST.test(digest))) return undefined;
  const slash = named.lastIndexOf("/");
  const colon = named.indexOf(":", slash + 1);
  const path = colon < 0 ? named : named.slice(0, colon);
  const tag = colon < 0 ? undefined : named.slice(colon + 1);
  if (tag !== undefined && !TAG.test(tag)) return undefined;

  const [first = "", ...rest] = path.split("/");
  const hasRegistry = rest.length > 0 && (/[.:]/.test(first) || first === "localhost");
  const registry = hasRegistry ? (first === "index.docker.io" ? DEFAULT_REGISTRY : first) : DEFAULT_REGISTRY;
  const components = hasRegistry ? rest : [first, ...rest];
  if (!components.every((component) => COMPONENT.test(component))) return undefined;
  const official = registry === DEFAULT_REGISTRY && components.length === 1;
  return {
    registry,
    repository: official ? `library/${components[0]}` : components.join("/"),
    ...(tag !== undefined && { tag }),
    ...(digest !== undefined && { digest }),
    ...(tag === undefined && digest === undefined && { tag: "latest" }),
  };
}

/** The full name; what is no valid name, such as the id of an image, comes back as it is. */
export function normalizeImage(name: string): string {
  const reference = parseReference(name);
  if (!reference || /^(sha256:)?[0-9a-f]{64}$/.test(name)) return name;
  const { registry, repository, tag, digest } = reference;
  return `${registry}/${repository}${tag ? `:${tag}` : ""}${digest ? `@${digest}` : ""}`;
}
