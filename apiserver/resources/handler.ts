/**
 * Handlers: what probes and lifecycle hooks do: run a command, ask by HTTP, TCP or gRPC, sleep.
 */
import type * as models from "@kubernetes/client-node";
import { httpHeaderName } from "../../machinery/objects/names.ts";
import type { Wire } from "../../machinery/objects/wire.ts";
import { oneOf, portOrName, required } from "./checks.ts";
import type { FieldErrors } from "./field-errors.ts";
import { each } from "./object-meta.ts";
import { type At, child } from "./path.ts";

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

export function validateHandler(handler: Handler, grace: number | undefined, path: At, errors: FieldErrors): void {
  let found = false;
  for (const kind of KINDS) {
    if (handler[kind] === undefined) continue;
    if (found) errors.forbidden(child(path, kind), "may not specify more than 1 handler type");
    else rules[kind](handler, child(path, kind), errors, grace);
    found = true;
  }
  if (!found) errors.required(path, "must specify a handler type");
}

type HandlerRule = (handler: Handler, path: At, errors: FieldErrors, grace: number | undefined) => void;

const rules: Readonly<Record<(typeof KINDS)[number], HandlerRule>> = {
  exec({ exec }, path, errors) {
    if (!exec?.command?.length) errors.required(child(path, "command"));
  },
  httpGet({ httpGet }, path, errors) {
    if (httpGet) validateHttpGet(httpGet, path, errors);
  },
  tcpSocket({ tcpSocket }, path, errors) {
    portOrName(tcpSocket?.port ?? 0, child(path, "port"), errors);
  },
  grpc({ grpc }, path, errors) {
    portOrName(grpc?.port ?? 0, child(path, "port"), errors);
  },
  /** Without a grace period the real fault is elsewhere. */
  sleep({ sleep }, path, errors, grace) {
    const seconds = sleep?.seconds ?? 0;
    if (grace === undefined || (seconds >= 0 && seconds <= grace)) return;
    const detail = `must be non-negative and less than terminationGracePeriodSeconds (${grace})`;
    errors.invalid(path, seconds, detail);
  },
};

function validateHttpGet(action: Wire<models.V1HTTPGetAction>, path: At, errors: FieldErrors): void {
  required(action.path, child(path, "path"), errors);
  portOrName(action.port ?? 0, child(path, "port"), errors);
  oneOf(action.scheme, ["HTTP", "HTTPS"], child(path, "scheme"), errors);
  for (const { name } of action.httpHeaders ?? []) {
    each(httpHeaderName(name), child(path, "httpHeaders"), name, errors);
  }
}

const HOOKS = ["postStart", "preStop"] as const;
type Lifecycle = Wire<models.V1Lifecycle>;

export function defaultHooks(lifecycle: Lifecycle): void {
  for (const hook of HOOKS) if (lifecycle[hook]) defaultHandler(lifecycle[hook]);
}

export function validateHooks(lifecycle: Lifecycle, grace: number | undefined, path: At, errors: FieldErrors): void {
  for (const hook of HOOKS) {
    const handler = lifecycle[hook];
    if (handler) validateHandler(handler, grace, child(path, hook), errors);
  }
  if (lifecycle.stopSignal) oneOf(lifecycle.stopSignal, STOP_SIGNALS, child(path, "stopSignal"), errors);
}

/** All that Linux knows by name, real-time ones included. */
export const STOP_SIGNALS: readonly string[] = [
  ..."ABRT ALRM BUS CHLD CLD CONT FPE HUP ILL INT IO IOT KILL PIPE POLL PROF PWR QUIT RTMAX RTMIN SEGV STKFLT STOP SYS TERM TRAP TSTP TTIN TTOU URG USR1 USR2 VTALRM WINCH XCPU XFSZ".split(
    " ",
  ),
  ...Array.from({ length: 15 }, (_none, index) => `RTMIN+${index + 1}`),
  ...Array.from({ length: 14 }, (_none, index) => `RTMAX-${index + 1}`),
]
  .map((name) => `SIG${name}`)
  .sort();
