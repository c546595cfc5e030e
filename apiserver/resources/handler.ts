/**
 * Handlers: what probes and lifecycle hooks do: run a command, ask by HTTP, TCP or gRPC, sleep.
 */
import type * as models from "@kubernetes/client-node";
import { httpHeaderName } from "../../machinery/objects/names.ts";
import type { Wire } from "../../machinery/objects/wire.ts";
import { oneOf, portOrName, required } from "./checks.ts";
import type { FieldErrors } from "./field-errors.ts";
import { each } from "./object-meta.ts";

export type Handler = Omit<Wire<models.V1LifecycleHandler>, never> & Pick<Wire<models.V1Probe>, "grpc">;

export function defaultHandler(handler: Handler): void {
  const { httpGet, grpc } = handler;
  if (httpGet) {
    httpGet.path ||= "/";
    httpGet.scheme ||= "HTTP";
  }
  if (grpc) grpc.service ??= "";
}

const KINDS = ["exec", "httpGet", "tcpSocket", "grpc", "sleep"] as const;

export function validateHandler(handler: Handler, grace: number | undefined, path: string, errors: FieldErrors): void {
  const given = KINDS.filter((kind) => handler[kind] !== undefined);
  if (given.length === 0) errors.required(path, "must specify a handler type");
  for (const kind of given.slice(1)) errors.forbidden(`${path}.${kind}`, "may not specify more than 1 handler type");
  if (given[0]) rules[given[0]](handler, `${path}.${given[0]}`, errors, grace);
}

type HandlerRule = (handler: Handler, path: string, errors: FieldErrors, grace: number | undefined) => void;

const rules: Readonly<Record<(typeof KINDS)[number], HandlerRule>> = {
  exec({ exec }, path, errors) {
    if (!exec?.command?.length) errors.required(`${path}.command`);
  },
  httpGet({ httpGet }, path, errors) {
    if (httpGet) validateHttpGet(httpGet, path, errors);
  },
  tcpSocket({ tcpSocket }, path, errors) {
    portOrName(tcpSocket?.port, `${path}.port`, errors);
  },
  grpc({ grpc }, path, errors) {
    portOrName(grpc?.port, `${path}.port`, errors);
  },
  /** Without a grace period the real fault is elsewhere. */
  sleep({ sleep }, path, errors, grace) {
    if (!sleep || grace === undefined || (sleep.seconds >= 0 && sleep.seconds <= grace)) return;
    const detail = `must be non-negative and less than terminationGracePeriodSeconds (${grace})`;
    errors.invalid(path, sleep.seconds, detail);
  },
};

function validateHttpGet(action: Wire<models.V1HTTPGetAction>, path: string, errors: FieldErrors): void {
  required(action.path, `${path}.path`, errors);
  portOrName(action.port, `${path}.port`, errors);
  oneOf(action.scheme, ["HTTP", "HTTPS"], `${path}.scheme`, errors);
  for (const { name } of action.httpHeaders ?? []) each(httpHeaderName(name), `${path}.httpHeaders`, name, errors);
}
