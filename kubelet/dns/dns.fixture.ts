/** Fixture: Services and slices for tests of DNS, a client, and a server with answers of a test's own. */
import { createSocket } from "node:dgram";
import { createConnection } from "node:net";
import packet from "dns-packet";
import type { EndpointSlice, Service } from "../../machinery/objects/kinds.ts";
import { silent } from "../../machinery/process/logging.ts";
import { type DnsServer, startDnsServer } from "./server.ts";
import { createMessageReader, framed } from "./tcp-messages.ts";

const meta = (name: string, namespace: string) => ({
  name,
  namespace,
  uid: name,
  resourceVersion: "1",
  creationTimestamp: "2026-01-01T00:00:00Z",
});

export const service = (name: string, spec: Service["spec"], namespace = "default"): Service => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: meta(name, namespace),
  ...(spec && { spec }),
});

export const slice = (
  name: string,
  owner: string,
  endpoints: NonNullable<EndpointSlice["endpoints"]>,
  ports: NonNullable<EndpointSlice["ports"]> = [],
  addressType = "IPv4",
): EndpointSlice => ({
  apiVersion: "discovery.k8s.io/v1",
  kind: "EndpointSlice",
  metadata: { ...meta(name, "default"), labels: { "kubernetes.io/service-name": owner } },
  addressType,
  endpoints,
  ports,
});

export const question = (name: string, type: packet.RecordType = "A", opt: object | undefined = undefined): Buffer =>
  packet.encode({
    type: "query",
    id: 7,
    flags: packet.RECURSION_DESIRED,
    questions: [{ name, type }],
    additionals: opt ? [{ type: "OPT", name: ".", udpPayloadSize: 4096, ...opt } as packet.Answer] : [],
  });

export const code = (answer: Buffer): number => answer.readUInt16BE(2) & 15;

export const dataOf = (answer: Buffer): unknown[] =>
  (packet.decode(answer).answers ?? []).map((one) => (one as { data: unknown }).data);

export function overUdp(port: number, bytes: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = createSocket("udp4");
    socket.once("error", reject);
    socket.once("message", (answer) => {
      socket.close();
      resolve(answer);
    });
    socket.send(bytes, port, "127.0.0.1");
  });
}

/** Asks all at once on one connection; answers in the order in which they came. */
export function overTcp(port: number, ...questions: readonly Buffer[]): Promise<readonly Buffer[]> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(port, "127.0.0.1");
    const read = createMessageReader();
    const answers: Buffer[] = [];
    socket.on("error", reject);
    socket.on("close", () => reject(new Error("closed")));
    socket.on("data", (chunk) => {
      answers.push(...read(chunk));
      if (answers.length === questions.length) socket.end(() => resolve(answers));
    });
    socket.write(Buffer.concat(questions.map(framed)));
  });
}

/** A server elsewhere: what `answer` gives is sent; undefined is silence. */
export interface Elsewhere {
  readonly server: { readonly address: string; readonly port: number };
  readonly asked: string[];
  close(): Promise<void>;
}

export async function startElsewhere(
  answer: (query: packet.DecodedPacket, protocol: string) => packet.Packet | undefined,
): Promise<Elsewhere> {
  const asked: string[] = [];
  const server: DnsServer = await startDnsServer({
    address: "127.0.0.1",
    port: 0,
    log: silent,
    respond: (bytes, protocol) => {
      const query = packet.decode(bytes);
      const name = query.questions?.[0]?.name ?? "";
      if (!name.endsWith(".k8ts-loop")) asked.push(`${protocol} ${name}`);
      const reply = answer(query, protocol);
      const { id = 0, questions = [] } = query;
      return reply && packet.encode({ id, type: "response", questions, ...reply });
    },
  });
  return { server: { address: "127.0.0.1", port: server.port }, asked, close: () => server.close() };
}
