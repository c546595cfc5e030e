/**
 * Overlay probe: whether packets reach the Pod networks of other nodes, small ones and the largest.
 *
 * Every node answers DNS at the first address of its range, so a question is the packet, and padding
 * makes it as large as wanted. Only a node can look: another computer, such as that of `up --nodes`, has no way to
 * Pods, and whoever answers it there is somebody else.
 */
import { createSocket } from "node:dgram";
import { connect as connectTcp } from "node:net";
import { encode } from "dns-packet";
import type { Node } from "../objects/kinds.ts";
import type { Clock } from "../process/clock.ts";
import { bad, type Finding, good } from "./finding.ts";
import { mtuOf } from "./machine-facts.ts";

const ANSWER_MS = 1_000;
const TRIES = 3;
const IP_AND_UDP_BYTES = 28;

export interface OverlayProbeOptions {
  readonly nodes: readonly Node[];
  /** This node's name. */
  readonly self: string;
  readonly clock: Clock;
}

export async function probeOverlay({ nodes, self, clock }: OverlayProbeOptions): Promise<readonly Finding[]> {
  if (!nodes.some(({ metadata }) => metadata.name === self)) return [];
  const mtu = await podMtu();
  const findings: Finding[] = [];
  for (const node of nodes.filter(({ metadata }) => metadata.name !== self)) {
    const [first, bits] = (node.spec?.podCIDR ?? "").split("/");
    const address = node.status?.addresses?.find(({ type }) => type === "InternalIP")?.address;
    if (!first || !bits || !address) continue;
    const gateway = first.replace(/\d+$/, (last) => String(Number(last) + 1));
    const seen = {
      name: node.metadata.name,
      mtu,
      small: await answers(gateway, 0, clock),
      large: await answers(gateway, mtu - IP_AND_UDP_BYTES, clock),
      itself: await isReached(address),
    };
    findings.push(judgeOverlay(seen));
  }
  return findings;
}

export interface Seen {
  readonly name: string;
  /** Of the Pods' link here. */
  readonly mtu: number;
  /** Whether packets to the node's Pod network were answered, and whether the node's own address answers. */
  readonly small: boolean;
  readonly large: boolean;
  readonly itself: boolean;
}

export function judgeOverlay({ name, mtu, small, large, itself }: Seen): Finding {
  const what = `Pods of ${name}`;
  if (small && large) return good(what, `reached with packets of up to ${mtu} bytes`);
  if (small)
    return bad(
      what,
      `reached, but packets of ${mtu} bytes are lost`,
      "the network between the nodes carries less than its devices say: lower their MTU (ip link set DEVICE mtu 1400) and restart the agents, or let ICMP 'fragmentation needed' pass",
    );
  if (itself)
    return bad(
      what,
      "not reached, though the node's own address is",
      "let UDP 8472 pass between all nodes; where it does, a network card computes the overlay's checksums wrongly: ethtool -K DEVICE tx-checksum-ip-generic off, on both",
    );
  return bad(
    what,
    "not reached, and neither is the node's own address",
    "look whether it runs, and whether a firewall stands between the nodes",
  );
}

/** A question for the root's servers, padded so that the UDP payload has `bytes` where that is more. */
function question(bytes: number): Buffer {
  const make = (padding: number) =>
    encode({
      type: "query",
      id: 1,
      questions: [{ type: "A", name: "kubernetes.default.svc.cluster.local" }],
      additionals: [
        {
          type: "OPT",
          name: ".",
          udpPayloadSize: 4096,
          extendedRcode: 0,
          ednsVersion: 0,
          flags: 0,
          flag_do: false,
          options: padding > 0 ? [{ code: 12, type: "PADDING", length: padding }] : [],
        },
      ],
    });
  const least = make(0).length;
  const head = make(1).length - least - 1;
  return bytes > least + head ? make(bytes - least - head) : make(0);
}

async function answers(address: string, bytes: number, clock: Clock): Promise<boolean> {
  for (let attempt = 0; attempt < TRIES; attempt++) if (await answered(address, question(bytes), clock)) return true;
  return false;
}

function answered(address: string, packet: Buffer, clock: Clock): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = createSocket("udp4");
  const late = clock.after(ANSWER_MS, () => resolve(false));
  socket.on("message", () => resolve(true));
  socket.on("error", () => resolve(false));
  socket.send(packet, 53, address, (error) => error && resolve(false));
  return promise.finally(() => {
    late.cancel();
    socket.close();
  });
}

/** A refused connection is an answer too. */
function isReached(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connectTcp({ host: address, port: 9, timeout: ANSWER_MS });
    const finish = (reached: boolean) => {
      socket.destroy();
      resolve(reached);
    };
    socket.on("connect", () => finish(true));
    socket.on("timeout", () => finish(false));
    socket.on("error", ({ code }: NodeJS.ErrnoException) => finish(code === "ECONNREFUSED"));
  });
}

/** What the runtime gives Pods' links; the usual where there is no overlay. */
async function podMtu(): Promise<number> {
  return (await mtuOf("k8ts-vxlan")) || (await mtuOf("k8ts0")) || 1_500;
}
