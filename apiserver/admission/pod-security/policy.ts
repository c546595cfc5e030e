/**
 * Policy: what a namespace's labels say about its Pods: what is enforced, noted in the audit log, warned about.
 *
 * A label that cannot be read counts as the strictest for enforcing and as nothing for the others.
 * https://kubernetes.io/docs/concepts/security/pod-security-admission/
 */
import type { StatusCause } from "../../../machinery/objects/status.ts";
import { LEVELS, type Level, type Standard, type Version } from "./standards.ts";

type Labels = Readonly<Record<string, string>> | undefined;
type Mode = "enforce" | "audit" | "warn";

export interface Policy extends Readonly<Record<Mode, Standard>> {
  /** What is wrong with the labels. */
  readonly errors: readonly StatusCause[];
}

const PREFIX = "pod-security.kubernetes.io/";
const NOTHING: Standard = { level: "privileged", version: "latest" };
const PRIVILEGED: Policy = { enforce: NOTHING, audit: NOTHING, warn: NOTHING, errors: [] };

/** Whether anything about Pods is asked at all. */
export const asksNothing = ({ enforce, audit, warn }: Policy): boolean =>
  [enforce, audit, warn].every(({ level }) => level === "privileged");

export function policyOf(labels: Labels): Policy {
  if (!Object.keys(labels ?? {}).some((key) => key.startsWith(PREFIX))) return PRIVILEGED;
  const errors: StatusCause[] = [];
  const enforce = standardOf("enforce", labels, NOTHING, errors);
  const audit = standardOf("audit", labels, NOTHING, errors);
  // Who enforces a level is told of what breaks it also where Pods come later, unless asked otherwise.
  const warn = standardOf("warn", labels, stricter(enforce, NOTHING) ? enforce : NOTHING, errors);
  return { enforce, audit, warn, errors };
}

function standardOf(mode: Mode, labels: Labels, fallback: Standard, errors: StatusCause[]): Standard {
  const [levelKey, versionKey] = [PREFIX + mode, `${PREFIX}${mode}-version`];
  const [level, version] = [labels?.[levelKey], labels?.[versionKey]];
  const known = level === undefined ? fallback.level : LEVELS.find((one) => one === level);
  if (!known) errors.push(invalid(levelKey, level, "must be one of privileged, baseline, restricted"));
  const number = version === undefined ? (level === undefined ? fallback.version : "latest") : versionOf(version);
  if (number === undefined) errors.push(invalid(versionKey, version, 'must be "latest" or "v1.x"'));
  const unread: Level = mode === "enforce" ? "restricted" : "privileged";
  return { level: known ?? unread, version: number ?? "latest" };
}

function versionOf(text: string): Version | undefined {
  if (text === "latest") return text;
  const minor = /^v1\.(0|[1-9]\d{0,3})$/.exec(text)?.[1];
  return minor === undefined ? undefined : Number(minor);
}

const invalid = (key: string, value: string | undefined, why: string): StatusCause => ({
  reason: "FieldValueInvalid",
  message: `Invalid value: ${JSON.stringify(value)}: ${why}`,
  field: `metadata.labels[${key}]`,
});

/** Whether Pods that keep `before` may break `after`. */
export function stricter(after: Standard, before: Standard): boolean {
  if (after.level === "privileged") return false;
  if (after.version !== before.version) return true;
  return LEVELS.indexOf(after.level) > LEVELS.indexOf(before.level);
}
