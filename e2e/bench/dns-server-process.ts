/**
 * DNS server process: the cluster's name server with a zone of so many Services, or one that sends back what
 * it gets, which is the ceiling: what Node's own sockets do with a datagram.
 */
import { createSocket } from "node:dgram";
import { createAnswerCache } from "../../kubelet/dns/answer-cache.ts";
import { createExchange } from "../../kubelet/dns/exchange.ts";
import { createForward } from "../../kubelet/dns/forward.ts";
import { createLoopCheck } from "../../kubelet/dns/loop-check.ts";
import { createReplyWriter } from "../../kubelet/dns/message.ts";
import { createRespond } from "../../kubelet/dns/respond.ts";
import { startDnsServer } from "../../kubelet/dns/server.ts";
import { createZone, type Zone } from "../../kubelet/dns/zone.ts";
import type { EndpointSlice, Service } from "../../machinery/objects/kinds.ts";
import { systemClock as clock } from "../../machinery/process/clock.ts";
import { silent } from "../../machinery/process/logging.ts";
import { answerCommands } from "./child.ts";

export interface ZoneSize {
  readonly services: number;
  /** Of each headless Service; every tenth Service is one. */
  readonly endpoints: number;
  /** Port of a server elsewhere, on the loopback interface. */
  readonly upstream: number;
}

const closing: (() => void | Promise<void>)[] = [];

answerCommands(
  {
    async serve(size: ZoneSize): Promise<number> {
      const exchange = createExchange(clock);
      const forward = createForward({
        exchange,
        cache: createAnswerCache(clock),
        loops: createLoopCheck(exchange, clock, silent),
        serversFor: () => [{ address: "127.0.0.1", port: size.upstream }],
        clock,
        log: silent,
      });
      const zone = createZone("cluster.local");
      fill(zone, size);
      const respond = createRespond({
        zone,
        domain: "cluster.local",
        forward,
        complete: () => true,
        write: createReplyWriter(),
      });
      const server = await startDnsServer({ respond, address: "127.0.0.1", port: 0, log: silent });
      closing.push(() => server.close());
      return server.port;
    },
    echo(): Promise<number> {
      const socket = createSocket({ type: "udp4", recvBufferSize: 1024 * 1024 });
      closing.push(() => void socket.close());
      socket.on("message", (message, from) => {
        message.writeUInt8(0x80 | message.readUInt8(2), 2);
        socket.send(message, from.port, from.address);
      });
      return new Promise((resolve) => socket.bind(0, "127.0.0.1", () => resolve(socket.address().port)));
    },
    /** Microseconds of CPU so far. */
    cpu(): number {
      const { user, system } = process.cpuUsage();
      return user + system;
    },
    memory: () => process.memoryUsage().rss,
  },
  async () => {
    for (const close of closing) await close();
  },
);

function fill(zone: Zone, { services, endpoints }: ZoneSize): void {
  for (let index = 0; index < services; index++) {
    const headless = index % 10 === 0;
    const metadata = {
      name: `web-${index}`,
      namespace: "default",
      uid: String(index),
      resourceVersion: "1",
      creationTimestamp: "",
    };
    const clusterIP = headless ? "None" : `10.43.${(index >> 8) & 255}.${index & 255}`;
    const ports = [{ name: "http", port: 80, protocol: "TCP" }];
    const service: Service = { apiVersion: "v1", kind: "Service", metadata, spec: { clusterIP, ports } };
    const slice: EndpointSlice = {
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: { ...metadata, labels: { "kubernetes.io/service-name": metadata.name } },
      addressType: "IPv4",
      ports,
      endpoints: Array.from({ length: headless ? endpoints : 1 }, (_, at) => ({
        addresses: [`10.42.${index & 255}.${at + 2}`],
      })),
    };
    zone.setService(`default/${metadata.name}`, service);
    zone.setSlice(`default/${metadata.name}`, slice);
  }
}
