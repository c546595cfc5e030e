/**
 * Conversion: how objects of a custom kind become those of another of its versions.
 *
 * Strategy None changes apiVersion only and is done at once; a webhook (webhook.ts) is asked for all others, and
 * may change nothing of an object's metadata but labels and annotations.
 */
import { ApiError } from "../../machinery/objects/status.ts";
import type { KubeObject } from "../../machinery/objects/wire.ts";

export interface Converter {
  /** Undefined where somebody must be asked. */
  readonly now: ((object: KubeObject, apiVersion: string) => KubeObject) | undefined;
  /** In the same order. Leaves its arguments as they are. */
  convert(objects: readonly KubeObject[], apiVersion: string): Promise<readonly KubeObject[]>;
}

const relabeled = (object: KubeObject, apiVersion: string): KubeObject => ({ ...object, apiVersion });

export const noConversion: Converter = {
  now: relabeled,
  convert: (objects, apiVersion) => Promise.resolve(objects.map((one) => relabeled(one, apiVersion))),
};

/** "example.com/v1, Kind=CronTab" */
export const kindText = ({ apiVersion, kind }: KubeObject): string => `${apiVersion}, Kind=${kind}`;

export function conversionFailed(from: KubeObject, why: string): ApiError {
  return new ApiError("InternalError", `conversion webhook for ${kindText(from)} ${why}`);
}

/** The converted object with the metadata that a webhook may not change. Throws what is wrong with it. */
export function checkConverted(sent: KubeObject, received: unknown, apiVersion: string, at: number): KubeObject {
  const invalid = (why: string) => conversionFailed(sent, `returned invalid converted object at index ${at}: ${why}`);
  const object = received as Partial<KubeObject> | null;
  if (typeof object !== "object" || object === null) throw invalid("it is not an object");
  if (object.apiVersion !== apiVersion)
    throw invalid(`invalid groupVersion (expected ${apiVersion}, received ${String(object.apiVersion)})`);
  if (object.kind !== sent.kind) throw invalid(`must have the same kind: ${String(object.kind)} != ${sent.kind}`);
  const metadata = object.metadata ?? {};
  for (const field of ["name", "namespace", "uid"] as const) {
    const [is, was] = [metadata[field] ?? "", sent.metadata[field] ?? ""];
    if (is !== was) throw invalid(`must have the same ${field === "uid" ? "UID" : field}: ${is} != ${was}`);
  }
  const { labels: _labels, annotations: _annotations, ...kept } = sent.metadata;
  const { labels, annotations } = metadata;
  return {
    ...(object as KubeObject),
    metadata: { ...kept, ...(labels ? { labels } : {}), ...(annotations ? { annotations } : {}) },
  };
}
