/**
 * Token request: issues a token for a service account, bound to a Pod or Secret where asked.
 *
 * A token is never bound to what does not exist, or not with that uid; its life is bounded on both sides.
 */
import { badRequest, conflict, notFound } from "../../machinery/objects/status.ts";
import type { KubeObject, StoredObject } from "../../machinery/objects/wire.ts";
import { wireTime } from "../../machinery/process/clock.ts";
import type { Binding } from "../auth/tokens.ts";
import { FieldErrors } from "../resources/field-errors.ts";
import { admitted } from "./admission-request.ts";
import { decodeObject, readObject } from "./body.ts";
import { qualified, type ResourceExchange, type Step } from "./contract.ts";
import { writeOptions } from "./options.ts";
import { respondValue } from "./respond.ts";

const TOKEN_REQUEST = { group: "authentication.k8s.io", version: "v1", kind: "TokenRequest" } as const;
const MIN_SECONDS = 600;
const DEFAULT_SECONDS = 3600;
const MAX_SECONDS = 2 ** 32;

interface TokenRequestSpec {
  audiences?: string[];
  expirationSeconds?: number;
  boundObjectRef?: { kind?: string; apiVersion?: string; name?: string; uid?: string };
}

export const requestToken: Step = async (exchange) => {
  const { record, info, server, warnings, cache, row } = exchange;
  const { dryRun, fieldValidation } = writeOptions(record.query, "CreateOptions");
  const request = decodeObject(
    server,
    readObject(server, record, TOKEN_REQUEST),
    TOKEN_REQUEST,
    fieldValidation,
    warnings,
  );
  const { namespace, name } = info;
  await admitted(exchange, { operation: "CREATE", kind: TOKEN_REQUEST, object: request, dryRun });
  const account = await cache.get({ namespace, name });
  if (!account) throw notFound(qualified(row), name);

  const spec = (request["spec"] ?? {}) as TokenRequestSpec;
  const seconds = checkedSeconds(spec.expirationSeconds ?? DEFAULT_SECONDS, name);
  const audiences = spec.audiences?.length ? spec.audiences : server.tokens.audiences;
  const bound = await boundTo(exchange, spec.boundObjectRef, namespace);
  const binding: Binding = { namespace, serviceaccount: { name, uid: account.object.metadata.uid }, ...bound };
  const { token, expires } = server.tokens.issue(binding, audiences, seconds);

  const value: KubeObject = {
    kind: "TokenRequest",
    apiVersion: "authentication.k8s.io/v1",
    metadata: { name, namespace, creationTimestamp: wireTime(server.clock.now()) as never },
    spec: { ...spec, audiences, expirationSeconds: seconds },
    status: { token, expirationTimestamp: wireTime(expires) },
  };
  return respondValue(201, value);
};

function checkedSeconds(seconds: number, name: string): number {
  const errors = new FieldErrors();
  if (seconds < MIN_SECONDS)
    errors.invalid("spec.expirationSeconds", seconds, "may not specify a duration less than 10 minutes");
  if (seconds > MAX_SECONDS)
    errors.invalid("spec.expirationSeconds", seconds, "may not specify a duration larger than 2^32 seconds");
  errors.throwIfAny(TOKEN_REQUEST.group, TOKEN_REQUEST.kind, name);
  return seconds;
}

type Bound = Pick<Binding, "pod" | "secret" | "node">;

async function boundTo(
  exchange: ResourceExchange,
  ref: TokenRequestSpec["boundObjectRef"],
  namespace: string,
): Promise<Bound> {
  if (!ref) return {};
  const { kind, name = "", uid } = ref;
  if (kind !== "Pod" && kind !== "Secret")
    throw badRequest(`cannot bind token for serviceaccount to a type: ${kind ?? ""}`);
  const plural = kind === "Pod" ? "pods" : "secrets";
  const object = await read(exchange, plural, namespace, name);
  if (!object) throw notFound(plural, name);
  if (uid && uid !== object.metadata.uid)
    throw conflict(
      plural,
      name,
      `the UID in the bound object reference (${uid}) does not match the UID in record. The object might have been deleted and then recreated`,
    );
  const reference = { name, uid: object.metadata.uid };
  if (kind === "Secret") return { secret: reference };

  const { serviceAccountName, nodeName } = (object["spec"] ?? {}) as { serviceAccountName?: string; nodeName?: string };
  if (serviceAccountName !== exchange.info.name)
    throw badRequest(
      `cannot bind token for serviceaccount ${JSON.stringify(exchange.info.name)} to pod running with different serviceaccount name.`,
    );
  const node = nodeName ? exchange.server.objects.get("nodes", "", nodeName) : undefined;
  return { pod: reference, ...(node ? { node: { name: node.metadata.name, uid: node.metadata.uid } } : {}) };
}

async function read(
  { server }: ResourceExchange,
  plural: string,
  namespace: string,
  name: string,
): Promise<StoredObject | undefined> {
  const row = server.resources.find("", "v1", plural);
  return row && (await server.resources.cache(row).get({ namespace, name }))?.object;
}
