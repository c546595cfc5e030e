/**
 * Negotiation: which form of an answer the Accept header asks for.
 *
 * The first acceptable entry wins; nothing acceptable is 406. What the server cannot write for this request
 * (protobuf of a custom kind or a Table, YAML of a watch, CBOR of anything) is passed over, so that clients that
 * offer something else as well get that.
 */
import type { RequestRecord } from "../../machinery/client/transport/contract.ts";
import { ApiError } from "../../machinery/objects/status.ts";

export type Representation = "object" | "table" | "metadata" | "discovery";
export type Media = "json" | "yaml" | "protobuf";

export interface Negotiated {
  readonly media: Media;
  readonly as: Representation;
  /** Version of the group that `as` names: Table v1 or v1beta1, discovery v2 or v2beta1. */
  readonly version: string;
  /** For people: JSON in lines. */
  readonly pretty: boolean;
}

/** What the endpoint can answer with. */
export interface Offer {
  /** Transformations besides the plain object. */
  readonly forms: readonly Representation[];
  /** Plain objects have a protobuf form. */
  protobuf(): boolean;
  readonly watch: boolean;
}

export interface Accepted {
  readonly type: string;
  readonly parameters: Readonly<Record<string, string>>;
}

export const MEDIA_TYPES: Readonly<Record<Media, string>> = {
  json: "application/json",
  yaml: "application/yaml",
  protobuf: "application/vnd.kubernetes.protobuf",
};

const PLAIN: Negotiated = { media: "json", as: "object", version: "", pretty: false };
const PRETTY: Negotiated = { ...PLAIN, pretty: true };

/** In the order in which a wildcard takes them. */
const MEDIA: readonly Media[] = ["json", "yaml", "protobuf"];
const WATCH_MEDIA: readonly Media[] = ["json", "protobuf"];

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

export function negotiate(request: Pick<RequestRecord, "headers" | "query">, offer: Offer): Negotiated {
  const { accept } = request.headers;
  const pretty = isForPeople(request);
  if (!accept || accept === "*/*" || accept === "application/json") return pretty ? PRETTY : PLAIN;
  const media = offer.watch ? WATCH_MEDIA : MEDIA;
  for (const { type, parameters } of parseAccept(accept)) {
    for (const one of media) {
      const form = matches(type, MEDIA_TYPES[one]) ? formOf(one, parameters, offer) : undefined;
      if (form) return { ...form, pretty: pretty || parameters["pretty"] === "1" };
    }
  }
  const types = media.filter((one) => one !== "protobuf" || offer.protobuf()).map((one) => MEDIA_TYPES[one]);
  const accepted = offer.watch ? types.map((type) => `${type};stream=watch`) : types;
  throw new ApiError("NotAcceptable", `only the following media types are accepted: ${accepted.join(", ")}`);
}

/** An error is told in the form that was asked for, or else in JSON. */
export function negotiateError(request: Pick<RequestRecord, "headers" | "query">): Negotiated {
  try {
    return negotiate(request, { forms: [], protobuf: () => true, watch: false });
  } catch {
    return PLAIN;
  }
}

function matches(asked: string, type: string): boolean {
  return asked === type || asked === "*/*" || asked === "application/*";
}

/** Undefined where the parameters ask for what is not there. */
function formOf(media: Media, parameters: Accepted["parameters"], offer: Offer): Negotiated | undefined {
  const { as, g = "", v = "", stream = "" } = parameters;
  if (stream !== "" && stream !== "watch") return undefined;
  if (as === undefined && g === "" && v === "")
    return media === "protobuf" && !offer.protobuf() ? undefined : { ...PLAIN, media };
  const transform = as !== undefined && Object.hasOwn(TRANSFORMS, as) ? TRANSFORMS[as] : undefined;
  if (!transform || transform.group !== g || !transform.versions.includes(v)) return undefined;
  if (!offer.forms.includes(transform.as) || (media === "protobuf" && transform.as === "table")) return undefined;
  return { media, as: transform.as, version: v, pretty: false };
}

/** What people look with: browsers and command line tools. */
const FOR_PEOPLE = /^(?:curl|Wget|Mozilla\/5\.0)/;
const YES: ReadonlySet<string> = new Set(["1", "t", "T", "true", "TRUE", "True"]);

function isForPeople({ query, headers }: Pick<RequestRecord, "headers" | "query">): boolean {
  const asked = query.size === 0 ? null : query.get("pretty");
  if (asked) return YES.has(asked);
  const agent = headers["user-agent"];
  return agent !== undefined && FOR_PEOPLE.test(agent);
}

/** The entries of an Accept header, best first; of equal ones those that name a type come before wildcards. */
export function parseAccept(header: string): readonly Accepted[] {
  const entries = header.split(",").map((text, index) => {
    const [type = "", ...rest] = text.split(";").map((part) => part.trim());
    const parameters: Record<string, string> = Object.create(null);
    for (const part of rest) {
      const equals = part.indexOf("=");
      if (equals > 0) parameters[part.slice(0, equals).trim()] = part.slice(equals + 1).trim();
    }
    const quality = Number(parameters["q"] ?? 1);
    const wildcards = type.split("*").length - 1;
    return { type: type.toLowerCase(), parameters, quality: Number.isNaN(quality) ? 0 : quality, wildcards, index };
  });
  return entries
    .filter((one) => one.quality > 0)
    .sort((a, b) => b.quality - a.quality || a.wildcards - b.wildcards || a.index - b.index);
}
