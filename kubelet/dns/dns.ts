/**
 * DNS: the cluster's name server on this node, as a process of its own.
 *
 * It lives on while the agent or the API server restarts and answers from what it knows. It also
 * keeps the kube-dns Service and this node's EndpointSlices: see dns-service.ts.
 */
import { hostname } from "node:os";
import { connect } from "../../machinery/client/connect.ts";
import { createInformers, type Informers } from "../../machinery/client/shared-informers.ts";
import type { Clock } from "../../machinery/process/clock.ts";
import { defineComponent } from "../../machinery/process/component.ts";
import { UsageError } from "../../machinery/process/flags.ts";
import { homePaths } from "../../machinery/process/home.ts";
import type { Logger } from "../../machinery/process/logging.ts";
import { createAnswerCache } from "./answer-cache.ts";
import { keepDnsService } from "./dns-service.ts";
import { createExchange, type NameServer } from "./exchange.ts";
import { createForward } from "./forward.ts";
import { createLoopCheck } from "./loop-check.ts";
import { createReplyWriter } from "./message.ts";
import { customServers, isLoopback, machineServers, noCustomServers, parseServer, serversFor } from "./name-servers.ts";
import { addressesChanged, ownAddresses } from "./own-addresses.ts";
import { createRespond } from "./respond.ts";
import { type DnsServer, type DnsServerOptions, startDnsServer } from "./server.ts";
import { createZone } from "./zone.ts";

const BIND_RETRY_MS = 100;
const CONFIG = { namespace: "kube-system", name: "kube-dns" } as const;

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
      help: "listen on this interface's addresses, once it has one",
    },
    listen: { type: "string", multiple: true, value: "ADDRESS", help: "listen on this address instead" },
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
      value: "ADDRESS[:PORT]",
      help: "servers for other names (default: the machine's own, or those of the ConfigMap kube-system/kube-dns)",
    },
  },
  async run(flags, { clock, log, signal, home, ready }) {
    const given = flags.upstream.map(serverOf);
    const domain = flags["cluster-domain"].toLowerCase();
    const kubeconfig = flags.kubeconfig ?? homePaths(home).kubeconfig("dns");
    const client = await connect({ kubeconfig, clock, log, signal });
    const informers = createInformers({ client, clock, log, signal });
    const { zone, complete, services, slices } = watchedZone(informers, domain, signal);
    const cache = createAnswerCache(clock);
    const custom = watchedConfig(informers, cache.clear, log);

    const exchange = createExchange(clock);
    const loops = createLoopCheck(exchange, clock, log);
    const write = createReplyWriter();

    /** Until the signal aborts, which is when the process ends or its addresses are others. */
    async function serve(addresses: readonly string[], until: AbortSignal): Promise<void> {
      const machine = given.length ? () => given : machineServers([...addresses, flags["cluster-dns"]], clock);
      const serversOf = (name: string) => serversFor(name, custom(), machine());
      const forward = createForward({ exchange, cache, loops, serversFor: serversOf, clock, log });
      const respond = createRespond({ zone, domain, forward, complete, write });
      const servers: DnsServer[] = [];
      try {
        for (const address of addresses)
          servers.push(await bound({ respond, address, port: flags.port, log }, clock, until));
        const port = servers[0]?.port ?? flags.port;
        log.info("dns listening", { addresses, port, upstream: machine().map(({ address }) => address) });
        ready();
        await keepDnsService({
          ...{ client, services, slices, port, clock, log, signal: until },
          clusterIP: flags["cluster-dns"],
          addresses: addresses.filter((address) => !isLoopback(address)), // of no use to Pods
          nodeName: flags["node-name"] ?? hostname().toLowerCase(),
        });
      } finally {
        await Promise.all(servers.map((server) => server.close()));
      }
    }

    if (flags.listen.length) return serve(flags.listen, signal);
    while (!signal.aborted) {
      const addresses = await ownAddresses(flags.interface, clock, signal);
      const moved = new AbortController();
      const until = AbortSignal.any([signal, moved.signal]);
      const watching = addressesChanged(flags.interface, addresses, clock, until).then(
        () => moved.abort(new Error("the node has other addresses")),
        () => undefined, // stopped first
      );
      try {
        await serve(addresses, until);
      } catch (error) {
        if (!until.aborted) throw error;
      }
      moved.abort(new Error("served no more"));
      await watching;
    }
  },
});

function watchedZone(informers: Informers, domain: string, signal: AbortSignal) {
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
  return { zone, services, slices, complete: () => complete };
}

/** Stub domains and servers that an administrator asks for while the server runs. */
function watchedConfig(informers: Informers, onChange: () => void, log: Logger) {
  let custom = noCustomServers;
  informers
    .of("configmaps", { namespace: CONFIG.namespace, fieldSelector: `metadata.name=${CONFIG.name}` })
    .subscribe(({ type, object }) => {
      custom = type === "deleted" ? noCustomServers : customServers(object);
      onChange(); // what others said before must not outlive the change
      for (const problem of custom.problems) log.warn("the ConfigMap kube-dns is wrong", { problem });
    });
  return () => custom;
}

function serverOf(text: string): NameServer {
  const server = parseServer(text);
  if (!server) throw new UsageError(`--upstream takes ADDRESS or ADDRESS:PORT, not "${text}"`);
  return server;
}

/** A predecessor that is about to end may still hold the port. */
async function bound(options: DnsServerOptions, clock: Clock, signal: AbortSignal): Promise<DnsServer> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await startDnsServer(options);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE" || attempt >= 50) throw error;
      await clock.sleep(BIND_RETRY_MS, signal);
    }
  }
}
