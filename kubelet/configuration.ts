/**
 * Configuration: the settings of a kubelet, as Kubernetes' KubeletConfiguration spells them. Pure.
 *
 * One row a field in FIELDS, with its default; a field that is not there is an error, never ignored. The file
 * is read once, when the kubelet starts: kubelet.ts.
 * https://kubernetes.io/docs/reference/config-api/kubelet-config.v1beta1/
 */
import { QuantityError, unitValue } from "../machinery/objects/quantity.ts";
import { readOneYaml } from "../machinery/yaml.ts";

export class ConfigurationError extends Error {
  override readonly name = "ConfigurationError";
}

type Texts = Readonly<Record<string, string>>;
type Read<T> = (value: unknown) => T;

interface Field<T> {
  readonly read: Read<T>;
  readonly standard: T;
}

export interface PriorityGrace {
  readonly priority: number;
  readonly shutdownGracePeriodSeconds: number;
}

const VERIFICATION = ["NeverVerify", "NeverVerifyPreloadedImages", "NeverVerifyAllowlistedImages", "AlwaysVerify"];

/** Times are milliseconds, sizes bytes. */
const FIELDS = {
  staticPodPath: field(text, undefined as string | undefined),
  fileCheckFrequency: field(duration, 20_000),
  staticPodURL: field(webAddress, undefined as string | undefined),
  staticPodURLHeader: field(headers, {} as Readonly<Record<string, readonly string[]>>),
  httpCheckFrequency: field(duration, 20_000),

  evictionHard: field(texts, undefined as Texts | undefined),
  evictionSoft: field(texts, {} as Texts),
  evictionSoftGracePeriod: field(durations, {} as Readonly<Record<string, number>>),
  evictionMinimumReclaim: field(texts, {} as Texts),
  evictionPressureTransitionPeriod: field(duration, 300_000),
  evictionMaxPodGracePeriod: field(whole, 0),
  mergeDefaultEvictionSettings: field(flag, false),
  localStorageCapacityIsolation: field(flag, true),

  shutdownGracePeriod: field(duration, 0),
  shutdownGracePeriodCriticalPods: field(duration, 0),
  shutdownGracePeriodByPodPriority: field(priorities, [] as readonly PriorityGrace[]),

  imageGCHighThresholdPercent: field(percent, 85),
  imageGCLowThresholdPercent: field(percent, 80),
  imageMinimumGCAge: field(duration, 120_000),
  imageMaximumGCAge: field(duration, 0),
  serializeImagePulls: field(flag, false),
  maxParallelImagePulls: field(whole, 5),
  imagePullCredentialsVerificationPolicy: field(oneOf(VERIFICATION), "NeverVerifyPreloadedImages"),
  preloadedImagesVerificationAllowlist: field(list, [] as readonly string[]),

  containerLogMaxSize: field(bytes, undefined as number | undefined),
  containerLogMaxFiles: field(whole, undefined as number | undefined),
  containerLogMonitorInterval: field(duration, 10_000),

  podPidsLimit: field(limit, undefined as number | undefined),
  allowedUnsafeSysctls: field(list, [] as readonly string[]),
  seccompDefault: field(flag, false),

  kubeReserved: field(texts, {} as Texts),
  systemReserved: field(texts, {} as Texts),
};

type Fields = typeof FIELDS;
export type KubeletSettings = { readonly [Name in keyof Fields]: Fields[Name]["standard"] };

const HEAD: Texts = { apiVersion: "kubelet.config.k8s.io/v1beta1", kind: "KubeletConfiguration" };

export const standardSettings: KubeletSettings = settingsFrom({});

/** Throws a ConfigurationError that names what is wrong. */
export function readSettings(yaml: string): KubeletSettings {
  const document = parsed(yaml);
  for (const [name, wanted] of Object.entries(HEAD)) {
    if (document[name] !== wanted) throw new ConfigurationError(`${name} must be ${wanted}`);
  }
  const { apiVersion: _version, kind: _kind, ...given } = document;
  const settings = settingsFrom(given);
  check(settings);
  return settings;
}

function parsed(yaml: string): Readonly<Record<string, unknown>> {
  try {
    return map(readOneYaml(yaml));
  } catch (error) {
    throw new ConfigurationError((error as Error).message, { cause: error });
  }
}

function settingsFrom(given: Readonly<Record<string, unknown>>): KubeletSettings {
  const unknown = Object.keys(given).find((name) => !(name in FIELDS));
  if (unknown !== undefined) throw new ConfigurationError(`${unknown} is no field that this kubelet knows`);
  const entries = Object.entries(FIELDS).map(([name, { read, standard }]) => {
    const value = given[name];
    try {
      return [name, value === undefined || value === null ? standard : read(value)];
    } catch (error) {
      throw new ConfigurationError(`${name}: ${(error as Error).message}`, { cause: error });
    }
  });
  return Object.fromEntries(entries) as KubeletSettings;
}

/** What concerns more than one field. */
function check(settings: KubeletSettings): void {
  const { imageGCHighThresholdPercent: high, imageGCLowThresholdPercent: low } = settings;
  if (low >= high)
    throw new ConfigurationError("imageGCLowThresholdPercent must be less than imageGCHighThresholdPercent");
  const { shutdownGracePeriod, shutdownGracePeriodCriticalPods, shutdownGracePeriodByPodPriority } = settings;
  if (shutdownGracePeriodCriticalPods > shutdownGracePeriod)
    throw new ConfigurationError("shutdownGracePeriodCriticalPods must not be more than shutdownGracePeriod");
  if (shutdownGracePeriod > 0 && shutdownGracePeriodByPodPriority.length > 0)
    throw new ConfigurationError("shutdownGracePeriod and shutdownGracePeriodByPodPriority exclude each other");
}

function field<T>(read: Read<unknown>, standard: T): Field<T> {
  return { read: read as Read<T>, standard };
}

function text(value: unknown): string {
  if (typeof value !== "string") throw new Error(`must be a string, not ${JSON.stringify(value)}`);
  return value;
}

function flag(value: unknown): boolean {
  if (typeof value !== "boolean") throw new Error(`must be true or false, not ${JSON.stringify(value)}`);
  return value;
}

function whole(value: unknown): number {
  if (!Number.isInteger(value) || (value as number) < 0)
    throw new Error(`must be a whole number of at least 0, not ${JSON.stringify(value)}`);
  return value as number;
}

/** -1 is none. */
function limit(value: unknown): number | undefined {
  return value === -1 ? undefined : whole(value);
}

function percent(value: unknown): number {
  if (whole(value) > 100) throw new Error("must be between 0 and 100");
  return value as number;
}

function map(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Error("must be a map");
  return value as Readonly<Record<string, unknown>>;
}

function list(value: unknown): readonly string[] {
  if (!Array.isArray(value)) throw new Error("must be a list");
  return value.map(text);
}

function texts(value: unknown): Texts {
  const quantity = (one: unknown) => (typeof one === "number" ? String(one) : text(one));
  return Object.fromEntries(Object.entries(map(value)).map(([name, one]) => [name, quantity(one)]));
}

function durations(value: unknown): Readonly<Record<string, number>> {
  return Object.fromEntries(Object.entries(map(value)).map(([name, one]) => [name, duration(one)]));
}

function headers(value: unknown): Readonly<Record<string, readonly string[]>> {
  return Object.fromEntries(Object.entries(map(value)).map(([name, one]) => [name, list(one)]));
}

function webAddress(value: unknown): string {
  const url = URL.parse(text(value));
  if (url?.protocol !== "http:" && url?.protocol !== "https:")
    throw new Error(`${JSON.stringify(value)} is no address such as https://example.com/pods.yaml`);
  return url.href;
}

function bytes(value: unknown): number {
  try {
    return unitValue(typeof value === "number" ? value : text(value));
  } catch (error) {
    if (error instanceof QuantityError) throw new Error(`${JSON.stringify(value)} is no size such as 10Mi`);
    throw error;
  }
}

function oneOf(names: readonly string[]): Read<string> {
  return (value) => {
    if (!names.includes(text(value))) throw new Error(`must be one of ${names.join(", ")}`);
    return value as string;
  };
}

function priorities(value: unknown): readonly PriorityGrace[] {
  if (!Array.isArray(value)) throw new Error("must be a list");
  return value.map((one) => {
    const { priority, shutdownGracePeriodSeconds } = map(one);
    if (!Number.isInteger(priority)) throw new Error("priority must be a whole number");
    return {
      priority: priority as number,
      shutdownGracePeriodSeconds: whole(shutdownGracePeriodSeconds),
    };
  });
}

const UNITS: Readonly<Record<string, number>> = {
  h: 3_600_000,
  m: 60_000,
  s: 1_000,
  ms: 1,
  us: 1e-3,
  µs: 1e-3,
  ns: 1e-6,
};

/** As Go writes durations: "1m30s". */
function duration(value: unknown): number {
  const given = text(value);
  if (given === "0") return 0;
  const parts = [...given.matchAll(/(\d+(?:\.\d+)?)(ms|us|µs|ns|h|m|s)/g)];
  if (given === "" || parts.map(([part]) => part).join("") !== given)
    throw new Error(`${JSON.stringify(given)} is no duration such as 1m30s`);
  return parts.reduce((sum, [, count, unit]) => sum + Number(count) * (UNITS[unit ?? ""] ?? 0), 0);
}
