/**
 * Field manager: in whose name a write changes fields, and what managedFields it leaves.
 *
 * The name is what `fieldManager` says, else the user agent up to its first slash, else (in this process, where there
 * is no agent) the component's. Who owns what, then: ../apply.
 */
import type { KubeObject, StoredObject } from "../../machinery/objects/wire.ts";
import { wireTime } from "../../machinery/process/clock.ts";
import type { Writer } from "../apply/contract.ts";
import { FieldErrors } from "../resources/field-errors.ts";
import type { ResourceExchange } from "./contract.ts";
import { isTrue } from "./path.ts";

const MAX_BYTES = 128;
const UNPRINTABLE = /[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/u;

const NOTHING: ReadonlySet<string> = new Set();
const STATUS: ReadonlySet<string> = new Set(["status"]);
const SPEC: ReadonlySet<string> = new Set(["spec"]);
const SPEC_AND_METADATA: ReadonlySet<string> = new Set(["spec", "metadata"]);

/** Gives the object its managedFields: once for each write, after defaults and before admission. */
export function track(
  exchange: ResourceExchange,
  live: StoredObject | undefined,
  object: KubeObject,
  subresource = exchange.info.subresource,
): void {
  exchange.server.fields.track(exchange.row, live, object, writerOf(exchange, subresource));
}

export function writerOf({ server, row, ...exchange }: ResourceExchange, subresource: string): Writer {
  return {
    manager: managerOf(exchange),
    subresource,
    time: wireTime(server.clock.now()),
    ignored: ignoredOf(row, subresource),
  };
}

/** What the endpoint leaves as it is, whatever is sent. */
function ignoredOf({ custom, hasStatus }: ResourceExchange["row"], subresource: string): ReadonlySet<string> {
  if (subresource === "status") return custom ? SPEC_AND_METADATA : SPEC;
  return hasStatus ? STATUS : NOTHING;
}

function managerOf({ record, user }: Pick<ResourceExchange, "record" | "user">): string {
  return record.query.get("fieldManager") || ofAgent(record.headers["user-agent"] ?? "") || component(user.name);
}

function ofAgent(agent: string): string {
  const slash = agent.indexOf("/");
  const name = slash < 0 ? agent : agent.slice(0, slash);
  if (name.length <= MAX_BYTES / 4 && !UNPRINTABLE.test(name)) return name;
  let kept = "";
  for (const letter of name) {
    if (UNPRINTABLE.test(letter)) continue;
    if (Buffer.byteLength(kept + letter) > MAX_BYTES) break;
    kept += letter;
  }
  return kept;
}

/** "system:kube-scheduler" ► "kube-scheduler"; every node's agent is a kubelet. */
function component(user: string): string {
  if (user.startsWith("system:node:")) return "kubelet";
  if (user === "system:apiserver") return "kube-apiserver";
  return user.slice(user.lastIndexOf(":") + 1) || "unknown";
}

/** What is wrong with the name, and with `force`. `kind` is CreateOptions, UpdateOptions or PatchOptions. */
export function checkFieldManager(query: URLSearchParams, kind: string, applies: boolean): void {
  const manager = query.get("fieldManager") ?? "";
  if (manager === "" && !applies && !(kind === "PatchOptions" && query.has("force"))) return;
  const errors = new FieldErrors();
  if (applies && manager === "") errors.required("fieldManager", "is required for apply patch");
  if (!applies && kind === "PatchOptions" && query.has("force"))
    errors.forbidden("force", "may not be specified for non-apply patch");
  if (Buffer.byteLength(manager) > MAX_BYTES) errors.tooLong("fieldManager", MAX_BYTES);
  let at = 0;
  for (const letter of manager) {
    if (UNPRINTABLE.test(letter))
      errors.invalid("fieldManager", manager, `invalid character ${unicode(letter)} (at position ${at})`);
    at += Buffer.byteLength(letter);
  }
  errors.throwIfAny("meta.k8s.io", kind, "");
}

export const forced = (query: URLSearchParams): boolean => isTrue(query.get("force"));

const unicode = (letter: string): string =>
  `U+${(letter.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}`;
