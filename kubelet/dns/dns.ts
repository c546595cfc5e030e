/**
 * DNS: the cluster's name server on this node, as a process of its own.
 *
 * It lives on while the agent or the API server restarts and answers from what it knows. It also
 * keeps the kube-dns Service and this node's EndpointSlice: see dns-service.ts.
 */
import { hostname, networkInterfaces } from "node:os";
import { connect } from "../../machinery/client/connect.ts";
import { createInformers } from "../../machinery/client/shared-informers.ts";
import type { Clock } from "../../machinery/process/clock.ts";
import { defineComponent } from "../../machinery/process/component.ts";
import { homePaths } from "../../machinery/process/home.ts";
import { keepDnsService } from "./dns-service.ts";
import { type DnsServer, type DnsServerOptions, startDnsServer } from "./server.ts";
import { createUpstream, machineNameServers } from "./upstream.ts";
import { createZone } from "./zone.ts";

const BIND_RETRY_MS = 100;

export const dnsComponent = defineComponent({
  name: "dns",
  summary: "Answers names of Services and Pods, and passes on all others.",
  flags: {
    kubeconfig: {
      type: "string",
      value: "FILE",
      help: "identity and address of the API server (default: dns.kubeconfig under $K8TS_HOME)",
    },
    "node-name": { type: "string", value: "NAME", help: "name of this node (default: the host's name)" },
    interface: {
      type: "string",
      default: "k8ts0",
      value: "NAME",
      help: "listen on this interface's address, once it has one",
    },
    listen: { type: "string", value: "ADDRESS", help: "listen on this address instead" },
    port: { type: "number", default: 53, help: "port to listen on" },
    "cluster-domain": { type: "string", default: "cluster.local", value: "NAME", help: "domain of the cluster" },
    "cluster-dns": {
      type: "string",
      default: "10.43.0.10",
      value: "ADDRESS",
      help: "ClusterIP of the kube-dns Service",
    },
    upstream: {
      type: "string",
      multiple: true,
      value: "ADDRESS",
      help: "servers for other names (default: the machine's own)",
    },
  },
  async run(flags, { clock, log, signal, home, ready }) {
    const domain = flags["cluster-domain"];
    const kubeconfig = flags.kubeconfig ?? homePaths(home).kubeconfig("dns");
    const client = await connect({ kubeconfig, clock, log, signal });
    const informers = createInformers({ client, clock, log, signal });
    const zone = createZone(domain);
    const services = informers.of("services");
    const slices = informers.of("endpointslices");
    services.subscribe(({ type, key, object }) => zone.setService(key, type === "deleted" ? undefined : object));
    slices.subscribe(({ type, key, object }) => zone.setSlice(key, type === "deleted" ? undefined : object));
    let complete = false;
    Promise.all([services.synced(signal), slices.synced(signal)]).then(
      () => {
        complete = true;
      },
      () => undefined, // stopped first
    );

    const address = flags.listen ?? (await addressOf(flags.interface, clock, signal));
    const servers = flags.upstream.length ? flags.upstream : machineNameServers([address, flags["cluster-dns"]]);
    const upstream = createUpstream(servers, clock);
    const server = await bound(
      { zone, domain, upstream, complete: () => complete, address, port: flags.port, clock, log },
      signal,
    );
    log.info("dns listening", { address, port: server.port, upstream: servers });
    ready();
    const nodeName = flags["node-name"] ?? hostname().toLowerCase();
    const keeping = keepDnsService({
      client,
      services,
      slices,
      clusterIP: flags["cluster-dns"],
      address,
      port: server.port,
      nodeName,
      clock,
      log,
      signal,
    });
    await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
    await Promise.all([server.close(), keeping]);
  },
});

/** The interface appears when the node's network is prepared. */
async function addressOf(name: string, clock: Clock, signal: AbortSignal): Promise<string> {
  for (;;) {
    const found = networkInterfaces()[name]?.find(({ family }) => family === "IPv4");
    if (found) return found.address;
    await clock.sleep(BIND_RETRY_MS, signal);
  }
}

/** A predecessor that is about to end may still hold the port. */
async function bound(options: DnsServerOptions, signal: AbortSignal): Promise<DnsServer> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await startDnsServer(options);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE" || attempt >= 50) throw error;
      await options.clock.sleep(BIND_RETRY_MS, signal);
    }
  }
}
