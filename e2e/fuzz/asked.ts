/**
 * Asked: query parameters and headers, every known one, with values that suit it and values that do not.
 */
import type { Choices } from "./choices.ts";
import { hostileText } from "./hostile.ts";

const FLAGS = ["true", "false", "1", "", "TRUE", "maybe"];
const NUMBERS = ["1", "0", "-1", "x", "1.5", "1e3", "99999999999999999999", "9223372036854775807", ""];
const CONTINUE = Buffer.from('{"v":"meta.k8s.io/v1","rv":1,"start":"a\\u0000"}').toString("base64url");

const PARAMETERS: Readonly<Record<string, readonly string[]>> = {
  limit: ["1", "2", "500", ...NUMBERS],
  continue: [CONTINUE, "e30", "e30=", "bnVsbA", "W10", "{}", "%%%", "a".repeat(3000), ""],
  resourceVersion: ["0", "1", "5", "-1", "x", "1.5", "1e3", "99999999999999999999", ""],
  resourceVersionMatch: ["Exact", "NotOlderThan", "exact", "Any", ""],
  fieldSelector: [
    "metadata.name=seeded",
    "metadata.namespace=default",
    "metadata.name!=seeded",
    "spec.nodeName=",
    "status.phase=Running",
    "type=Opaque",
    "spec.mode==A",
    "a",
    "=",
    "==",
    "a=b=c",
    "a\\,b=c",
    ",,",
    "metadata.name in (a)",
    "__proto__=a",
    "constructor=a",
  ],
  labelSelector: [
    "a=b",
    "a!=b",
    "!a",
    "a in (b,c)",
    "a notin ()",
    "a>5",
    "a<x",
    ",",
    "a in",
    "((",
    "a=b,a=c",
    "__proto__=a",
    `a in (${"b,".repeat(2000)}c)`,
    "ä=b",
  ],
  timeoutSeconds: NUMBERS,
  timeout: ["5s", "0", "-1s", "1ms", "x", "9999999h", "5", "1.5s"],
  watch: FLAGS,
  allowWatchBookmarks: FLAGS,
  sendInitialEvents: FLAGS,
  dryRun: ["All", "all", "None", ""],
  fieldManager: ["m", "", "x".repeat(200), "a\nb", "ä", "\u0000"],
  force: FLAGS,
  fieldValidation: ["Strict", "Warn", "Ignore", "strict", ""],
  propagationPolicy: ["Background", "Foreground", "Orphan", "background", ""],
  orphanDependents: FLAGS,
  gracePeriodSeconds: NUMBERS,
  ignoreStoreReadErrorWithClusterBreakingPotential: FLAGS,
  pretty: FLAGS,
  includeObject: ["None", "Metadata", "Object", "x", ""],
  container: ["c", "x", "", "__proto__"],
  follow: FLAGS,
  previous: FLAGS,
  tailLines: NUMBERS,
  limitBytes: NUMBERS,
  sinceSeconds: NUMBERS,
  sinceTime: ["2026-01-02T03:04:05Z", "x", ""],
  command: ["ls", ""],
  stdin: FLAGS,
  path: ["/", "..", "%00"],
  ports: ["80", "x", "-1"],
  hash: ["x", "ABC"],
  verbose: FLAGS,
  exclude: ["etcd", "x", ""],
  __proto__x: ["a"],
};
const NAMES = Object.keys(PARAMETERS);

/** "?a=b&c=d", or "". */
export function queryOf(choices: Choices, ...usual: readonly string[]): string {
  const query = new URLSearchParams();
  for (const one of usual) {
    const [name = "", value = ""] = one.split("=", 2);
    if (!choices.chance(15)) query.append(name, value);
  }
  for (let times = choices.mostly(0, 45, [1, 1, 2, 4]); times > 0; times--) {
    const name = choices.pick(NAMES);
    const values = PARAMETERS[name] ?? [];
    query.append(name, choices.chance(10) ? hostileText(choices).toWellFormed() : choices.pick(values));
  }
  return query.size === 0 ? "" : `?${query}`;
}

const ACCEPT = [
  "application/json",
  "*/*",
  "application/yaml",
  "application/vnd.kubernetes.protobuf",
  "application/vnd.kubernetes.protobuf,application/json",
  "application/json;as=Table;v=v1;g=meta.k8s.io",
  "application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json",
  "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
  "application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
  "application/json;as=APIGroupDiscoveryList;v=v2;g=apidiscovery.k8s.io",
  "application/json;as=Nothing;v=v1;g=meta.k8s.io",
  "application/json;as=__proto__;v=v1;g=meta.k8s.io",
  "application/cbor",
  "application/cbor,application/json;q=0.5",
  "application/json;stream=watch",
  "application/yaml;as=Table;v=v1;g=meta.k8s.io",
  "text/html",
  "application/*;q=0",
  ";;;",
  ",",
  "a".repeat(5000),
  "application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
];

export const CONTENT_TYPES: readonly string[] = [
  "application/json",
  "application/yaml",
  "application/vnd.kubernetes.protobuf",
  "application/json; charset=utf-8",
  "APPLICATION/JSON",
  "text/plain",
  "application/cbor",
  "application/x-www-form-urlencoded",
  "multipart/form-data; boundary=x",
  "",
  ";",
  "application/json-patch+json",
  "application/apply-patch+yaml",
  "application/apply-patch+cbor",
  "__proto__",
];

const HEADERS: readonly (readonly [string, readonly string[]])[] = [
  ["impersonate-user", ["someone", "system:serviceaccount:default:default", "", "system:masters", "ä"]],
  ["impersonate-group", ["dev", "system:masters", "", "a\nb"]],
  ["impersonate-uid", ["1", ""]],
  ["impersonate-extra-scopes", ["a", ""]],
  ["impersonate-extra-%", ["a"]],
  ["k8ts-cause-revision", ["1", "x", "-1", "99999999999999999999", ""]],
  ["k8ts-cause-controller", ["c", "", "x".repeat(4000)]],
  ["user-agent", ["kubectl/v1.33.0", "curl/8.0", "", "/", "x".repeat(3000), "a\tb"]],
  ["authorization", ["Bearer x", "Bearer ", "Basic YTpi", "x", `Bearer ${"a.b.c"}`, "Bearer e30.e30.e30"]],
  ["if-none-match", ['"x"', "*"]],
  ["accept-encoding", ["gzip", "br", "gzip;q=0", "*"]],
  ["audit-id", ["x", "", "a".repeat(500)]],
];

export function headersOf(choices: Choices): Record<string, string> {
  const headers: Record<string, string> = {};
  if (choices.chance(30)) headers["accept"] = choices.pick(ACCEPT);
  if (choices.chance(10)) {
    const [name, values] = choices.pick(HEADERS);
    headers[name] = choices.pick(values);
  }
  return headers;
}
