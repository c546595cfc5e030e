/** Fields that descriptions of many kinds share: labels, annotations, tolerations, owners, times, conditions. */
import { age as ageOf } from "../../machinery/objects/duration.ts";
import type { Toleration } from "../../machinery/objects/kinds.ts";
import type { KubeObject } from "../../machinery/objects/wire.ts";
import { LAST_APPLIED } from "../last-applied.ts";
import type { Document } from "./document.ts";

type Strings = Readonly<Record<string, string>> | undefined;

/** Entries on lines of their own, the first beside the title. */
function multiline(document: Document, title: string, entries: readonly string[]): void {
  const [first = "<none>", ...rest] = entries;
  document.write(0, `${title}:\t${first}\n`);
  for (const entry of rest) document.write(0, `\t${entry}\n`);
}

export function writeLabels(document: Document, title: string, labels: Strings): void {
  const keys = Object.keys(labels ?? {}).sort();
  multiline(
    document,
    title,
    keys.map((key) => `${key}=${labels![key]}`),
  );
}

const LONGEST = 140;

export function writeAnnotations(document: Document, title: string, annotations: Strings): void {
  const keys = Object.keys(annotations ?? {})
    .filter((key) => key !== LAST_APPLIED)
    .sort();
  if (keys.length === 0) {
    document.write(0, `${title}:\t<none>\n`);
    return;
  }
  document.write(0, `${title}:\t`);
  for (const [index, key] of keys.entries()) {
    if (index > 0) document.write(0, "\t");
    const value = annotations![key]!.replace(/\n$/, "");
    if (value.length + key.length + 2 <= LONGEST && !value.includes("\n")) document.write(0, `${key}: ${value}\n`);
    else {
      document.write(0, `${key}:\n`);
      for (const line of value.split("\n")) document.write(0, `\t  ${shortened(line, LONGEST - 2)}\n`);
    }
  }
}

const shortened = (text: string, length: number) => (text.length > length ? `${text.slice(0, length)}...` : text);

export function writeTolerations(document: Document, title: string, tolerations: readonly Toleration[] = []): void {
  const sorted = [...tolerations].sort((a, b) => compareText(a.key ?? "", b.key ?? ""));
  multiline(document, title, sorted.map(tolerationText));
}

const compareText = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);

function tolerationText({ key = "", value = "", effect = "", operator, tolerationSeconds }: Toleration): string {
  const exists = operator === "Exists" && value === "" ? (key || effect ? " op=Exists" : "op=Exists") : "";
  const seconds = tolerationSeconds === undefined ? "" : ` for ${tolerationSeconds}s`;
  return `${key}${value && `=${value}`}${effect && `:${effect}`}${exists}${seconds}`;
}

export function writeMeta(document: Document, { metadata }: KubeObject, options: { namespaced?: boolean } = {}): void {
  document.write(0, `Name:\t${metadata.name}\n`);
  if (options.namespaced !== false) document.write(0, `Namespace:\t${metadata.namespace ?? ""}\n`);
}

export function writeController(document: Document, { metadata }: KubeObject): void {
  const owner = metadata.ownerReferences?.find(({ controller }) => controller);
  if (owner) document.write(0, `Controlled By:\t${owner.kind}/${owner.name}\n`);
}

const DAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** RFC 1123 in UTC with a numeric zone: "Sat, 21 Nov 2026 08:34:56 +0000". */
export function longTime(time: string | undefined): string {
  if (!time) return "<unset>";
  const at = new Date(time);
  const two = (value: number) => String(value).padStart(2, "0");
  const clock = [at.getUTCHours(), at.getUTCMinutes(), at.getUTCSeconds()].map(two).join(":");
  return `${DAYS[at.getUTCDay()]}, ${two(at.getUTCDate())} ${MONTHS[at.getUTCMonth()]} ${at.getUTCFullYear()} ${clock} +0000`;
}

export const ago = (time: string | undefined, now: number): string => ageOf(time, now);

export const orNone = (text: string): string => (text === "" ? "<none>" : text);

/** True and False, as Go programs capitalize conditions. */
export const yesNo = (value: boolean | undefined): string => (value ? "True" : "False");

export interface ShownCondition {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
}

/** "Type Status Reason" of workloads. */
export function writeConditions(document: Document, conditions: readonly ShownCondition[] | undefined): void {
  if (!conditions?.length) return;
  document.write(0, "Conditions:\n  Type\tStatus\tReason\n");
  document.write(1, "----\t------\t------\n");
  for (const { type, status, reason = "" } of conditions) document.write(1, `${type} \t${status}\t${reason}\n`);
}
