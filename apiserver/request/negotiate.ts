/**
 * Negotiation: which representation of an answer the Accept header asks for.
 *
 * The first acceptable entry wins; nothing acceptable is 406. What the server cannot write
 * (protobuf of objects) is skipped, so clients that offer JSON as well get JSON.
 */
import { ApiError } from "../../machinery/objects/status.ts";

export type Representation = "object" | "table" | "metadata" | "discovery";

export interface Negotiated {
  readonly media: "json" | "yaml";
  readonly as: Representation;
  /** Version of the group that `as` names: Table v1 or v1beta1, discovery v2 or v2beta1. */
  readonly version: string;
}

export interface Accepted {
  readonly type: string;
  readonly parameters: Readonly<Record<string, string>>;
}

const PLAIN: Negotiated = { media: "json", as: "object", version: "" };

const MEDIA: Readonly<Record<string, "json" | "yaml">> = {
  "application/json": "json",
  "*/*": "json",
  "application/*": "json",
  "application/yaml": "yaml",
};

interface Transform {
  readonly as: Representation;
  readonly group: string;
  readonly versions: readonly string[];
}

const META = { group: "meta.k8s.io", versions: ["v1", "v1beta1"] };

const TRANSFORMS: Readonly<Record<string, Transform>> = {
  Table: { as: "table", ...META },
  PartialObjectMetadata: { as: "metadata", ...META },
  PartialObjectMetadataList: { as: "metadata", ...META },
  APIGroupDiscoveryList: { as: "discovery", group: "apidiscovery.k8s.io", versions: ["v2", "v2beta1"] },
};

/** `allowed` says which transformations the endpoint can make besides the plain object. */
export function negotiate(accept: string | undefined, allowed: readonly Representation[]): Negotiated {
  if (!accept || accept === "*/*" || accept === "application/json") return PLAIN;
  for (const one of parseAccept(accept)) {
    const media = MEDIA[one.type];
    if (!media) continue;
    const { as, g = "", v = "" } = one.parameters;
    if (as === undefined) return media === "json" ? PLAIN : { ...PLAIN, media };
    const transform = Object.hasOwn(TRANSFORMS, as) ? TRANSFORMS[as] : undefined;
    if (!transform || transform.group !== g || !transform.versions.includes(v)) continue;
    if (allowed.includes(transform.as)) return { media, as: transform.as, version: v };
  }
  throw new ApiError(
    "NotAcceptable",
    "only the following media types are accepted: application/json, application/yaml",
  );
}

/** The entries of an Accept header, best first. */
export function parseAccept(header: string): readonly Accepted[] {
  const entries = header.split(",").map((text, index) => {
    const [type = "", ...rest] = text.split(";").map((part) => part.trim());
    const parameters: Record<string, string> = Object.create(null);
    for (const part of rest) {
      const equals = part.indexOf("=");
      if (equals > 0) parameters[part.slice(0, equals).trim()] = part.slice(equals + 1).trim();
    }
    const quality = Number(parameters["q"] ?? 1);
    return { type: type.toLowerCase(), parameters, quality: Number.isNaN(quality) ? 0 : quality, index };
  });
  return entries.filter((one) => one.quality > 0).sort((a, b) => b.quality - a.quality || a.index - b.index);
}
