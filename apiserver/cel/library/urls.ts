/**
 * URLs: absolute URLs and paths as Go's url.ParseRequestURI takes them, and their parts.
 */
import { CelRuntimeError } from "../contract.ts";
import { fixed, TEXT, walks } from "../costing.ts";
import { global, list, map, member, type Overload, opaque, types } from "../declarations.ts";
import { ArrayList, EntryMap, Opaque, type Value } from "../values.ts";

const { bool, string } = types;
const urlType = opaque("kubernetes.URL");

interface Parts {
  readonly scheme: string;
  readonly host: string;
  readonly path: string;
  readonly query: string;
}

class Url extends Opaque {
  readonly typeName = "kubernetes.URL";
  readonly parts: Parts;
  readonly text: string;
  constructor(parts: Parts, text: string) {
    super();
    this.parts = parts;
    this.text = text;
  }
  equals(other: Opaque): boolean {
    return other instanceof Url && other.text === this.text;
  }
}

/** Why a text is no URL, or its parts. */
export function parseUrl(text: string): Parts | string {
  const refuse = (why: string): string => `parse "${text}": ${why}`;
  if (text === "") return refuse("empty url");
  if (/[\x00-\x1f\x7f]/.test(text)) return `parse ${JSON.stringify(text)}: net/url: invalid control character in URL`;
  const [before = "", ...queries] = text.split("?");
  const query = queries.join("?");
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(before)?.[1] ?? "";
  const rest = scheme ? before.slice(scheme.length + 1) : before;
  if (!scheme && /^:/.test(before)) return refuse("missing protocol scheme");
  if (!rest.startsWith("/")) return refuse("invalid URI for request");
  let host = "";
  let path = rest;
  if (scheme && rest.startsWith("//")) {
    const end = rest.indexOf("/", 2);
    const authority = end < 0 ? rest.slice(2) : rest.slice(2, end);
    path = end < 0 ? "" : rest.slice(end);
    host = authority.slice(authority.lastIndexOf("@") + 1);
    const port = /:([^:\]]*)$/.exec(host)?.[1];
    if (port !== undefined && !/^\d*$/.test(port) && !host.endsWith("]"))
      return refuse(`invalid port ":${port}" after host`);
    if (host.startsWith("[") && !host.includes("]")) return refuse("missing ']' in host");
    if (/[ "<>\\^`{|}]/.test(host))
      return refuse(`invalid character ${JSON.stringify(/[ "<>\\^`{|}]/.exec(host)?.[0])} in host name`);
  }
  const bad = /%(?![0-9A-Fa-f]{2}).{0,2}/.exec(path);
  if (bad) return refuse(`invalid URL escape "${bad[0]}"`);
  return { scheme: scheme.toLowerCase(), host, path, query };
}

function toUrl(text: string): Url {
  const parts = parseUrl(text);
  if (typeof parts === "string") throw new CelRuntimeError(`URL parse error during conversion from string: ${parts}`);
  return new Url(parts, text);
}

const portOf = (host: string): string => /:(\d*)$/.exec(host)?.[1] ?? "";
function hostname(host: string): string {
  if (host.startsWith("[")) return host.slice(1, host.indexOf("]"));
  const colon = host.lastIndexOf(":");
  return colon < 0 ? host : host.slice(0, colon);
}

function unescaped(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    return undefined;
  }
}

function queryOf(query: string): Value {
  const values = new Map<string, string[]>();
  for (const pair of query.split("&")) {
    if (pair === "" || pair.includes(";")) continue;
    const at = pair.indexOf("=");
    const key = unescaped(at < 0 ? pair : pair.slice(0, at));
    const value = unescaped(at < 0 ? "" : pair.slice(at + 1));
    if (key === undefined || value === undefined) continue;
    values.set(key, [...(values.get(key) ?? []), value]);
  }
  const map = new EntryMap();
  for (const [key, all] of values) map.add(key, new ArrayList(all));
  return map;
}

/** As Go's EscapedPath: what is written where it is a legal escaping, else escaped. */
const escapedPath = (path: string): string =>
  path.replace(/[^A-Za-z0-9\-._~!$&'()*+,;=:@/[\]%]/gu, (each) => encodeURIComponent(each));

const one = fixed(1);
const part = (name: string, read: (parts: Parts) => Value): Overload =>
  member(name, `url_${name}`, [urlType], string, ({ parts }: Url) => read(parts), one);

export const urls: readonly Overload[] = [
  global(
    "url",
    "string_to_url",
    [string],
    urlType,
    toUrl,
    walks(0, TEXT, (size) => size),
  ),
  global("isURL", "is_url", [string], bool, (text: string) => typeof parseUrl(text) !== "string"),
  part("getScheme", ({ scheme }) => scheme),
  part("getHost", ({ host }) => host),
  part("getHostname", ({ host }) => hostname(host)),
  part("getPort", ({ host }) => portOf(host)),
  part("getEscapedPath", ({ path }) => escapedPath(path)),
  member(
    "getQuery",
    "url_get_query",
    [urlType],
    map(string, list(string)),
    ({ parts }: Url) => queryOf(parts.query),
    one,
  ),
];

export const urlTypes = { "kubernetes.URL": urlType } as const;
