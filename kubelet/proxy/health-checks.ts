/**
 * Health checks: tells load balancers whether this node has endpoints of a Service.
 *
 * For Services whose outside traffic stays on the node that gets it (externalTrafficPolicy Local): each has a port of
 * its own, which answers 200 or 503 as kube-proxy's does. A port that somebody else has is tried again.
 */
import { createServer, type Server } from "node:http";
import type { Service } from "../../machinery/objects/kinds.ts";
import type { Clock } from "../../machinery/process/clock.ts";
import type { Logger } from "../../machinery/process/logging.ts";

export interface Checked {
  readonly service: Service;
  readonly port: number;
  /** Endpoints of this node. */
  readonly local: number;
}

export interface HealthChecks {
  set(owner: string, checked: Checked | undefined): void;
  /** Whether the rules could be written lately. */
  healthy(is: boolean): void;
  close(): void;
}

interface Open {
  checked: Checked;
  server: Server | undefined;
  retry: { cancel(): void } | undefined;
}

export interface HealthContext {
  readonly clock: Clock;
  readonly log: Logger;
  readonly nodeName: string;
  /** Tells people that a port could not be opened. */
  readonly failed?: (service: Service, message: string) => void;
}

const RETRY_MS = 30_000;

export function healthPort({ spec }: Service): number | undefined {
  const local = spec?.type === "LoadBalancer" && spec.externalTrafficPolicy === "Local";
  return local && spec.healthCheckNodePort ? spec.healthCheckNodePort : undefined;
}

export function createHealthChecks(context: HealthContext): HealthChecks {
  const { clock, log, nodeName } = context;
  const all = new Map<string, Open>();
  let isHealthy = true;
  let closed = false;

  const open = (owner: string, one: Open) => {
    const server = createServer((_request, response) => answer(response, one.checked, isHealthy));
    one.server = server;
    server.on("error", (error) => {
      one.server = undefined;
      if (closed || all.get(owner) !== one) return;
      const { service, port } = one.checked;
      const { namespace, name } = service.metadata;
      const message = `node ${nodeName} failed to start healthcheck "${namespace}/${name}" on port ${port}: ${error.message}`;
      log.warn("a health check's port could not be opened", { object: `services/${namespace}/${name}`, port, error });
      context.failed?.(service, message);
      one.retry = clock.after(RETRY_MS, () => open(owner, one), { background: true });
    });
    server.listen(one.checked.port);
  };
  const shut = (owner: string) => {
    const one = all.get(owner);
    all.delete(owner);
    one?.retry?.cancel();
    one?.server?.close();
    one?.server?.closeAllConnections();
  };

  return {
    set(owner, checked) {
      const found = all.get(owner);
      if (found && checked && found.checked.port === checked.port) {
        found.checked = checked;
        return;
      }
      shut(owner);
      if (!checked) return;
      const one: Open = { checked, server: undefined, retry: undefined };
      all.set(owner, one);
      open(owner, one);
    },
    healthy(is) {
      isHealthy = is;
    },
    close() {
      closed = true;
      for (const owner of [...all.keys()]) shut(owner);
    },
  };
}

function answer(response: import("node:http").ServerResponse, { service, local }: Checked, healthy: boolean): void {
  const { namespace, name } = service.metadata;
  const body = { service: { namespace, name }, localEndpoints: local, serviceProxyHealthy: healthy };
  response.writeHead(local > 0 && healthy ? 200 : 503, {
    "content-type": "application/json",
    "x-content-type-options": "nosniff",
    "x-load-balancing-endpoint-weight": String(local),
  });
  response.end(`${JSON.stringify(body)}\n`);
}
