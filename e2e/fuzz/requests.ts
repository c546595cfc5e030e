/**
 * Requests: one list of choices becomes one request, to any endpoint, with any verb and any body.
 *
 * Every target has an object named "seeded" that is written and read, and one named "doomed" that is deleted;
 * "fresh" is what a create makes, so that whoever runs the requests knows what to look at and to take away.
 */
import type { Schema } from "../../apiserver/schema/contract.ts";
import { createProtobuf, PROTOBUF, type Protobuf } from "../../apiserver/schema/protobuf.ts";
import { writeYaml } from "../../machinery/yaml-writer.ts";
import { CONTENT_TYPES, headersOf, queryOf } from "./asked.ts";
import { bend } from "./bend.ts";
import { anyBytes, injured, ODD_BODIES } from "./bytes.ts";
import type { Choices } from "./choices.ts";
import { hostile, hostileText } from "./hostile.ts";
import { jsonText } from "./json-text.ts";
import { jsonPatch, misdirect, partOf } from "./patches.ts";
import { subresourceSamples } from "./samples.ts";
import { collectionPath, objectOf, type Target, targets } from "./targets.ts";

export const SEEDED = "seeded";
export const DOOMED = "doomed";
const FRESH = "fresh";

export interface FuzzRequest {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | undefined;
  /** Whose collection the path names, where it names one. */
  readonly target: Target | undefined;
  /** It asks for more than an answer: a watch, or bytes of a container. */
  readonly streams: boolean;
  /** It goes on to a node, which is waited for: the client loses its patience. */
  readonly reaches?: boolean;
}

type Json = Record<string, unknown>;
type Parts = Pick<FuzzRequest, "method" | "path"> & Partial<FuzzRequest>;

export type Generate = (choices: Choices) => FuzzRequest;

export function requestsOver(schema: Schema): Generate {
  const tools: Tools = { schema, protobuf: createProtobuf(schema) };
  return (choices) => {
    const parts: FuzzRequest = choices.chance(12)
      ? elsewhere(choices)
      : atResource(choices, tools, choices.pick(targets));
    const headers = { ...parts.headers, ...headersOf(choices) };
    const streams = /[?&]watch=|\/watch\/|\/log|follow=/.test(parts.path);
    const reaches = /\/(?:proxy|log|exec|attach|portforward)(?:[/?]|$)/.test(parts.path);
    return { ...parts, headers, streams, reaches };
  };
}

interface Tools {
  readonly schema: Schema;
  readonly protobuf: Protobuf;
}

function atResource(choices: Choices, tools: Tools, target: Target): FuzzRequest {
  const collection = collectionPath(target, choices.mostly("default", 4, ["kube-system", "none", "A_b", "%00"]));
  const bad = choices.chance(3) ? `/${choices.pick(ODD_SEGMENTS)}` : "";
  const made = (parts: Parts): FuzzRequest => ({ headers: {}, body: undefined, target, streams: false, ...parts });
  const named = (name: string) => `${collection}/${choices.mostly(name, 3, ODD_SEGMENTS)}`;
  const put = (path: string, ...usual: string[]) => path + bad + queryOf(choices, ...usual);
  switch (choices.below(14)) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4:
      return made({ method: "POST", path: put(collection), ...bodyFor(choices, tools, target, FRESH) });
    case 5:
    case 6:
    case 7:
      return made({ method: "PUT", path: put(named(SEEDED)), ...bodyFor(choices, tools, target, SEEDED) });
    case 8:
    case 9:
      return made({ method: "PATCH", ...patchOf(choices, tools, target, named(SEEDED) + bad) });
    case 10:
      return made({
        method: choices.mostly("GET", 5, ["HEAD", "OPTIONS", "TRACE"]),
        path: put(read(choices, collection)),
      });
    case 11: {
      const whole = choices.chance(20) && target.plural !== "customresourcedefinitions";
      const body = choices.chance(60) ? bodyOf(choices, deleteOptions(choices)) : {};
      return made({ method: "DELETE", path: put(whole ? collection : named(DOOMED)), ...body });
    }
    default:
      return made(atSubresource(choices, tools, target, named(SEEDED), put));
  }
}

function read(choices: Choices, collection: string): string {
  const [root = "", ...rest] = collection.split(/(?=\/(?:v\d\w*)\/)/);
  const legacy = `${root}/${rest.join("").split("/")[1]}/watch/${rest.join("").split("/").slice(2).join("/")}`;
  const plain = choices.mostly(`${collection}/${SEEDED}`, 60, [collection, `${collection}?watch=true`, legacy]);
  return choices.chance(6) ? `/k8ts/v1/history${plain}` : plain.replace("?watch=true", "");
}

function atSubresource(
  choices: Choices,
  tools: Tools,
  target: Target,
  path: string,
  put: (path: string, ...usual: string[]) => string,
): Parts {
  const name = choices.chance(15) ? choices.pick(SUBRESOURCES) : choices.pick([...target.subresources, "status"]);
  const at = choices.chance(10) ? `${path}/${name}/${choices.pick(ODD_SEGMENTS)}` : `${path}/${name}`;
  const sample = subresourceSamples.get(name);
  const object = () => (sample ? { metadata: { name: SEEDED }, ...structuredClone(sample) } : objectOf(target, SEEDED));
  switch (choices.below(5)) {
    case 0:
      return { method: "GET", path: put(at) };
    case 1:
      return { method: "PATCH", ...patchOf(choices, tools, target, at, object()) };
    case 2:
      return { method: "POST", path: put(at), ...bodyFor(choices, tools, target, SEEDED, object()) };
    case 3:
      return { method: choices.pick(["DELETE", "HEAD", "OPTIONS"]), path: put(at) };
    default:
      return { method: "PUT", path: put(at), ...bodyFor(choices, tools, target, SEEDED, object()) };
  }
}

interface Body {
  readonly body: Uint8Array | undefined;
  readonly headers: Readonly<Record<string, string>>;
}

const bytesOf = (value: unknown): Buffer => Buffer.from(jsonText(value), "utf8");

function bodyFor(choices: Choices, tools: Tools, target: Target, name: string, sample = objectOf(target, name)): Body {
  const json = { "content-type": "application/json" };
  const kind = choices.below(20);
  if (kind === 19) return { body: choices.pick(ODD_BODIES), headers: contentType(choices) };
  if (kind === 18) return { body: injured(choices, bytesOf(sample)), headers: contentType(choices) };
  if (kind === 17) return { body: bytesOf(hostile(choices)), headers: json };
  if (kind === 16) return { body: anyBytes(choices), headers: contentType(choices) };
  if (kind === 15 && !target.custom) {
    const bytes = tools.protobuf.write(sample as unknown as Parameters<Protobuf["write"]>[0]);
    const body = choices.chance(70) ? injured(choices, bytes) : bytes;
    return { body, headers: { "content-type": PROTOBUF } };
  }
  const object = kind === 0 ? sample : bent(choices, tools, target, sample);
  if (kind > 2) return { body: bytesOf(object), headers: choices.chance(3) ? contentType(choices) : json };
  return { body: yaml(object), headers: { "content-type": "application/yaml" } };
}

/** YAML, or JSON, which is YAML too, where it holds what the writer does not know. */
function yaml(object: unknown): Uint8Array {
  const text = jsonText(object);
  return Buffer.from(JSON.stringify(object) === text ? writeYaml(object) : text, "utf8");
}

function bodyOf(choices: Choices, value: unknown): Body {
  const body = choices.chance(10) ? choices.pick(ODD_BODIES) : bytesOf(value);
  return { body, headers: choices.chance(5) ? contentType(choices) : { "content-type": "application/json" } };
}

const contentType = (choices: Choices) => ({ "content-type": choices.pick(CONTENT_TYPES) });

function bent(choices: Choices, { schema }: Tools, target: Target, object: Json): Json {
  const apiVersion = String(object["apiVersion"] ?? "v1").split("/");
  const version = apiVersion.at(-1) ?? "";
  const group = apiVersion.length > 1 ? (apiVersion[0] ?? "") : "";
  const message = target.custom ? undefined : schema.kind(group, version, String(object["kind"]));
  return bend(choices, schema, message, object);
}

function patchOf(
  choices: Choices,
  tools: Tools,
  target: Target,
  path: string,
  sample?: Json,
): Pick<FuzzRequest, "path"> & Body {
  const whole = sample ?? objectOf(target, SEEDED);
  const typed = (type: string, body: Uint8Array, ...usual: string[]) => ({
    path: path + queryOf(choices, ...usual),
    headers: choices.chance(3) ? contentType(choices) : { "content-type": type },
    body: choices.chance(4) ? choices.pick(ODD_BODIES) : body,
  });
  const part = () => {
    const one = partOf(choices, whole);
    return choices.chance(50) ? bent(choices, tools, target, one) : one;
  };
  switch (choices.below(4)) {
    case 0:
      return typed("application/merge-patch+json", bytesOf(part()));
    case 1:
      return typed("application/strategic-merge-patch+json", bytesOf(misdirect(choices, part())));
    case 2:
      return typed("application/json-patch+json", bytesOf(jsonPatch(choices)));
    default: {
      const applied = choices.chance(60) ? bent(choices, tools, target, whole) : part();
      const usual = [`fieldManager=${choices.pick(["m", "n"])}`, ...(choices.chance(60) ? ["force=true"] : [])];
      return typed("application/apply-patch+yaml", choices.chance(50) ? yaml(applied) : bytesOf(applied), ...usual);
    }
  }
}

const deleteOptions = (choices: Choices): unknown =>
  choices.chance(20)
    ? hostile(choices)
    : {
        apiVersion: choices.mostly("v1", 10, ["v2", "apps/v1", 5]),
        kind: choices.mostly("DeleteOptions", 10, ["Pod", null]),
        gracePeriodSeconds: choices.mostly<unknown>(0, 40, [5, -1, "x", 1.5, null, 2 ** 60]),
        propagationPolicy: choices.mostly<unknown>("Background", 50, ["Orphan", "Foreground", "x", 5]),
        preconditions: choices.mostly<unknown>(undefined, 30, [{ uid: "x" }, { resourceVersion: "1" }, { uid: 5 }, []]),
        dryRun: choices.mostly<unknown>(undefined, 30, [["All"], ["x"], "All", [null]]),
        orphanDependents: choices.mostly<unknown>(undefined, 20, [true, "x"]),
      };

const ODD_SEGMENTS = ["..", "%2f", "%2F..", "%", "%00", "%ff", "%E4", "*", "__proto__", "constructor", "a b"].concat([
  "x".repeat(300),
  "ä",
  "a:b",
  "a;b",
  "~",
  "",
  ".",
  "A",
  "status",
  "namespaces",
  "seeded%20",
  "%e2%80%ae",
]);
const SUBRESOURCES = ["scale", "status", "log", "exec", "attach", "portforward", "proxy", "binding", "eviction"].concat(
  ["token", "approval", "finalize", "resize", "ephemeralcontainers", "nothing", "__proto__", "constructor"],
);
const ROOTS = ["/", "/api", "/apis", "/api/v1", "/apis/apps", "/apis/apps/v1", "/apis/fuzz.example/v1", "/version"]
  .concat(["/openapi/v2", "/openapi/v3", "/openapi/v3/api/v1", "/openapi/v3/apis/apps/v1", "/openapi/v3/__proto__"])
  .concat(["/openapi/v3/apis/fuzz.example/v1", "/healthz", "/livez", "/readyz", "/readyz/etcd", "/livez/__proto__"])
  .concat(["/metrics", "/openid/v1/jwks", "/k8ts/v1/tunnel", "/k8ts/v1/history/api/v1/namespaces/default/pods/seeded"])
  .concat([
    "/k8ts/v1/history/",
    "/k8ts/v1",
    "/apis/__proto__",
    "/apis/__proto__/v1/x",
    "/api/__proto__",
    "/logs",
    "/ui",
  ])
  .concat([
    "/.well-known/openid-configuration",
    "/apis/apps/v1/watch/deployments",
    "/api/v1/watch",
    "/api/v1/namespaces",
  ])
  .concat(["/api/v1/namespaces/default/pods/seeded/proxy/a/b", "/api/v1/nodes/seeded/proxy/metrics", "/apis//v1/x"]);
const SEGMENTS = ["api", "apis", "v1", "apps", "namespaces", "default", "pods", "watch", "proxy", "k8ts", "history"];

/** What is no resource, or only looks like one. */
function elsewhere(choices: Choices): FuzzRequest {
  const made = Array.from({ length: choices.below(9) }, () => choices.pick([...SEGMENTS, ...ODD_SEGMENTS]));
  const path = choices.chance(35) ? `/${made.join("/")}` : choices.pick(ROOTS);
  const method = choices.mostly("GET", 35, ["POST", "PUT", "PATCH", "HEAD", "OPTIONS", "BREW"]);
  const body = method !== "GET" && choices.chance(50) ? bodyOf(choices, hostile(choices)) : {};
  const usual = choices.chance(10) ? [`labelSelector=${hostileText(choices).toWellFormed()}`] : [];
  const asked = queryOf(choices, ...usual);
  return { method, path: path + asked, headers: {}, body: undefined, target: undefined, streams: false, ...body };
}
