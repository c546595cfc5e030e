/**
 * Discovery: finds out whether the server at an address is the cluster that a token is for.
 *
 * The first request goes over a connection that nobody vouches for: nothing secret is sent on it, and of its answer only
 * an authority is taken whose key has the hash that stands in the token. All later ones trust that authority alone.
 */
import { X509Certificate } from "node:crypto";
import { createClient } from "../client/create-client.ts";
import { parseKubeconfig } from "../client/kubeconfig.ts";
import { httpsTransport } from "../client/transport/https.ts";
import type { Clock } from "../process/clock.ts";
import { CLUSTER_INFO, CLUSTER_INFO_KEY } from "./cluster-facts.ts";
import { connectionError, JoinError } from "./join-error.ts";
import { authorityHash, type JoinToken } from "./token.ts";

export interface DiscoveryOptions {
  /** "https://10.0.0.1:6443" */
  readonly server: string;
  readonly token: Pick<JoinToken, "authorityHash">;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

const ANSWER_MS = 15_000;

/** The PEM of the cluster's authority. Rejects with a JoinError that says what is wrong. */
export async function discoverAuthority({ server, token, clock, signal }: DiscoveryOptions): Promise<string> {
  const told = await toldBy(server, clock, signal);
  const certificate = told.match(CERTIFICATE)?.find((one) => hashOf(one) === token.authorityHash);
  if (certificate === undefined)
    throw new JoinError(
      `the server at ${server} is not the one that the token is from: its authority has another key`,
      "make a token on that very server ('k8ts token create'); if it was made there, somebody stands in between",
    );
  checkTime(certificate, clock.now());
  return certificate;
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n?/g;

function hashOf(certificate: string): string | undefined {
  try {
    return authorityHash(certificate);
  } catch {
    return undefined; // not a certificate, so not the one that is looked for
  }
}

/** The authorities that the server says it has, whether true or not. */
async function toldBy(server: string, clock: Clock, signal: AbortSignal): Promise<string> {
  const transport = httpsTransport({ access: { server, insecureSkipTlsVerify: true }, clock });
  const patience = new AbortController();
  const timer = clock.after(ANSWER_MS, () => patience.abort(new Error(`no answer within ${ANSWER_MS / 1000} s`)));
  try {
    const { data } = (await createClient(transport).raw({
      method: "GET",
      path: `/api/v1/namespaces/${CLUSTER_INFO.namespace}/configmaps/${CLUSTER_INFO.name}`,
      signal: AbortSignal.any([signal, patience.signal]),
    })) as { readonly data?: Readonly<Record<string, string>> };
    const [told] = parseKubeconfig(data?.[CLUSTER_INFO_KEY] ?? "", CLUSTER_INFO.name).clusters;
    return Buffer.from(told?.cluster["certificate-authority-data"] ?? "", "base64").toString("latin1");
  } catch (error) {
    signal.throwIfAborted();
    throw connectionError(server, error);
  } finally {
    timer.cancel();
    await transport.close();
  }
}

/** A wrong clock shows first as certificates that are not good yet. */
function checkTime(certificate: string, now: number): void {
  const { validFromDate, validToDate } = new X509Certificate(certificate);
  if (now >= validFromDate.getTime() && now < validToDate.getTime()) return;
  const said = new Date(now).toISOString();
  throw new JoinError(
    now < validFromDate.getTime()
      ? `the cluster's authority is good from ${validFromDate.toISOString()} on, and this machine's clock says ${said}`
      : `the cluster's authority ended at ${validToDate.toISOString()}, and this machine's clock says ${said}`,
    "set this machine's clock (timedatectl set-ntp true)",
  );
}
