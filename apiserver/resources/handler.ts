/**
 * Handlers: what probes and lifecycle hooks do: run a command, ask by HTTP, TCP or gRPC, sleep.
 */
import type * as models from "@kubernetes/client-node";
import { httpHeaderName, portNumber } from "../../machinery/objects/names.ts";
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
  const { exec, httpGet, tcpSocket, grpc, sleep } = handler;
  if (exec && !exec.command?.length) errors.required(`${path}.exec.command`);
  if (httpGet) validateHttpGet(httpGet, `${path}.httpGet`, errors);
  if (tcpSocket) portOrName(tcpSocket.port, `${path}.tcpSocket.port`, errors);
  if (grpc) each(portNumber(grpc.port), `${path}.grpc.port`, grpc.port, errors);
  if (sleep && (sleep.seconds < 0 || sleep.seconds > (grace ?? 0))) {
    errors.invalid(
      `${path}.sleep`,
      sleep.seconds,
      `must be non-negative and less than terminationGracePeriodSeconds (${grace ?? 0})`,
    );
  }
}

function validateHttpGet(action: Wire<models.V1HTTPGetAction>, path: string, errors: FieldErrors): void {
  required(action.path, `${path}.path`, errors);
  portOrName(action.port, `${path}.port`, errors);
  oneOf(action.scheme, ["HTTP", "HTTPS"], `${path}.scheme`, errors);
  for (const [index, { name }] of (action.httpHeaders ?? []).entries()) {
    each(httpHeaderName(name), `${path}.httpHeaders[${index}].name`, name, errors);
  }
}
